import { Button, Group, Text } from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FileUp } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { datasetKeys } from "@/api/datasets";
import type { Dataset } from "@/api/generated";
import { uploads } from "./store";
import { UploadList } from "./UploadList";
import classes from "./Uploads.module.css";

/** Where files are dropped or chosen, and the uploads under way. One file alone leads on to its data set. */
export function UploadZone() {
  const { t } = useTranslation();
  const open = useRef<() => void>(null);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);

  const arrived = (dataset: Dataset | null, alone: boolean) => {
    void queries.invalidateQueries({ queryKey: datasetKeys.all });
    if (dataset && alone && here.current) {
      void navigate({ to: "/datasets/$datasetId", params: { datasetId: dataset.id } });
    }
  };
  const add = (files: File[]) => {
    const alone = files.length === 1 && !uploads.busy;
    for (const file of files) void uploads.start(file).then((dataset) => arrived(dataset, alone));
  };
  const again = (key: number) => void uploads.retry(key).then((dataset) => arrived(dataset, !uploads.busy));

  return (
    <>
      <Dropzone
        onDrop={add}
        openRef={open}
        activateOnClick={false}
        activateOnKeyboard={false}
        className={classes.zone}
        inputProps={{ "aria-hidden": true, tabIndex: -1 }}
      >
        <Group gap="md" wrap="nowrap" align="center" className={classes.inner}>
          <FileUp size={24} aria-hidden className={classes.icon} />
          <div className={classes.words}>
            <Text fw={600}>{t("uploads.drop")}</Text>
            <Text size="sm" c="dimmed">
              {t("uploads.formats")}
            </Text>
          </div>
          <Button onClick={() => open.current?.()} className={classes.choose}>
            {t("uploads.choose")}
          </Button>
        </Group>
      </Dropzone>
      <UploadList onRetry={again} />
    </>
  );
}
