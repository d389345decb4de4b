import { Code, Tabs } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/ui/CopyButton";
import classes from "./Endpoints.module.css";

/** The call as one can repeat it elsewhere. */
export function CodeLines({ curl, python }: { curl: string; python: string }) {
  const { t } = useTranslation();
  return (
    <Tabs defaultValue="curl" keepMounted={false}>
      <Tabs.List mb="xs">
        <Tabs.Tab value="curl">{"curl"}</Tabs.Tab>
        <Tabs.Tab value="python">{"Python"}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="curl">
        <Lines text={curl} label={t("predict.copyCurl")} />
      </Tabs.Panel>
      <Tabs.Panel value="python">
        <Lines text={python} label={t("predict.copyPython")} />
      </Tabs.Panel>
    </Tabs>
  );
}

function Lines({ text, label }: { text: string; label: string }) {
  return (
    <div className={classes.code}>
      <Code block tabIndex={0} data-testid="code">
        {text}
      </Code>
      <div className={classes.copy}>
        <CopyButton value={text} label={label} />
      </div>
    </div>
  );
}
