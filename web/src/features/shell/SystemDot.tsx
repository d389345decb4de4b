import { Popover, Stack, Text, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { systemStatus } from "@/api/system";
import { useFormat } from "@/ui/use-format";
import classes from "./Shell.module.css";
import { Workers } from "./Workers";

/** Whether every part of the system answers; the parts, on a press. */
export function SystemDot() {
  const { t } = useTranslation();
  const format = useFormat();
  const { data, isError } = useQuery(systemStatus());
  const state = isError
    ? "down"
    : !data
      ? "unknown"
      : data.services.every((each) => each.ready)
        ? "ok"
        : "degraded";
  return (
    <Popover position="top-start" withinPortal shadow="md" width="min(26rem, calc(100vw - 1.5rem))">
      <Popover.Target>
        <UnstyledButton className={classes.status}>
          <span className={classes.dot} data-state={state} aria-hidden />
          {t(`system.${state}`)}
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("system.title")}>
        {isError || !data ? (
          <Text size="sm">{t(isError ? "system.downHint" : "system.unknown")}</Text>
        ) : (
          <Stack gap={6}>
            {data.services.map((service) => (
              <div key={service.name}>
                <Text size="sm" className={classes.service}>
                  <span className={classes.dot} data-state={service.ready ? "ok" : "down"} aria-hidden />
                  {service.name}
                  <Text span c="dimmed" size="sm" ml="auto">
                    {t(service.ready ? "system.serviceReady" : "system.serviceNotReady")}
                  </Text>
                </Text>
                {service.detail && !service.ready && (
                  <Text size="xs" c="dimmed" pl={16} lang="en">
                    {service.detail}
                  </Text>
                )}
              </div>
            ))}
            <Workers />
            <Text size="xs" c="dimmed" mt={4}>
              {t("system.version", { version: data.version })}
              <br />
              {t("system.since", { at: format.instant(data.started_at) })}
            </Text>
          </Stack>
        )}
      </Popover.Dropdown>
    </Popover>
  );
}
