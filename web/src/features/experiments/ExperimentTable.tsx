import { useTranslation } from "react-i18next";
import type { Experiment } from "@/api/generated";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { NONE } from "@/ui/format";
import { AnchorLink } from "@/ui/links";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";

/** Experiments, the newest first. */
export function ExperimentTable({ rows }: { rows: Experiment[] | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <DataTable
      label={t("experiments.title")}
      rows={rows}
      rowKey={(row) => row.id}
      minWidth={720}
      columns={[
        {
          key: "name",
          title: t("fields.name"),
          render: (row) => (
            <AnchorLink to="/experiments/$experimentId" params={{ experimentId: row.id }} fw={550}>
              {row.name}
            </AnchorLink>
          ),
        },
        {
          key: "state",
          title: t("fields.state"),
          width: 120,
          render: (row) => <StateMark state={row.state} />,
        },
        { key: "target", title: t("fields.target"), render: (row) => row.target },
        {
          key: "trials",
          title: t("fields.trials"),
          numeric: true,
          render: (row) => {
            const done = (row.trials.completed ?? 0) + (row.trials.pruned ?? 0) + (row.trials.failed ?? 0);
            return row.trials.total
              ? `${format.count(done)} / ${format.count(row.trials.total)}`
              : format.count(done);
          },
        },
        { key: "metric", title: t("fields.metric"), render: (row) => t(`metrics.${row.metric}`) },
        {
          key: "best",
          title: t("fields.best"),
          numeric: true,
          render: (row) => (row.best ? format.metric(row.best.value) : NONE),
        },
        {
          key: "created",
          title: t("fields.created"),
          width: 130,
          render: (row) => <Ago at={row.created_at} />,
        },
      ]}
    />
  );
}
