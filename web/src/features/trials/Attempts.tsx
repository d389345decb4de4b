import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { TrialDetail } from "@/api/generated";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { NONE } from "@/ui/format";
import { Section } from "@/ui/Section";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";

const OUTCOMES = ["completed", "pruned", "failed", "stopped", "lost", "running"] as const;

/** Each attempt at a trial and why it ended; a trial whose worker was lost is tried again. */
export function Attempts({ trial }: { trial: TrialDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  const attempts = trial.attempts ?? [];
  if (attempts.length === 0) return null;
  return (
    <Section title={t("trials.attempts")}>
      <DataTable
        label={t("trials.attempts")}
        minWidth={420}
        rows={attempts}
        rowKey={(attempt) => attempt.run_id}
        columns={[
          {
            key: "number",
            title: t("fields.attempt"),
            numeric: true,
            width: 80,
            render: (each) => format.count(each.attempt),
          },
          {
            key: "outcome",
            title: t("fields.outcome"),
            render: (each) => {
              const outcome = OUTCOMES.find((known) => known === (each.outcome ?? "running"));
              return (
                <>
                  {outcome ? <StateMark state={outcome} /> : (each.outcome ?? NONE)}
                  {each.cause && (
                    <Text size="xs" c="dimmed">
                      {t(`causes.${each.cause}`)}
                    </Text>
                  )}
                  {each.reason && each.reason !== trial.reason && (
                    <Text size="xs" c="dimmed" lineClamp={3} lang="en">
                      {each.reason}
                    </Text>
                  )}
                </>
              );
            },
          },
          { key: "worker", title: t("fields.worker"), render: (each) => <code>{each.worker_id}</code> },
          { key: "started", title: t("fields.started"), render: (each) => <Ago at={each.started_at} /> },
        ]}
      />
    </Section>
  );
}
