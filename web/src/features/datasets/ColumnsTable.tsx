import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { datasetProfile } from "@/api/datasets";
import type { Column, ColumnProfile, Dataset } from "@/api/generated";
import { DataTable } from "@/ui/DataTable";
import { NONE } from "@/ui/format";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";
import { Distribution } from "./Distribution";
import { KindMark } from "./KindMark";
import { useRoleReason } from "./role-reason";

/** Every column with what it holds. */
export function ColumnsTable({ dataset }: { dataset: Dataset }) {
  const { t } = useTranslation();
  const format = useFormat();
  const reasonOf = useRoleReason();
  const profile = useQuery(datasetProfile(dataset.id));
  const byName = new Map(profile.data?.columns.map((column) => [column.name, column]));
  const of = (column: Column) => byName.get(column.name);
  const end = (column: Column, value: ColumnProfile["min"]) =>
    value == null
      ? NONE
      : typeof value === "number"
        ? format.number(value)
        : column.kind === "datetime"
          ? format.day(value)
          : value;
  return (
    <>
      {profile.isError && <ProblemAlert error={profile.error} onRetry={() => void profile.refetch()} />}
      <DataTable
        label={t("datasets.columns")}
        rows={profile.isPending ? undefined : (dataset.columns ?? [])}
        expected={dataset.columns?.length ?? 8}
        rowKey={(column) => column.name}
        minWidth={900}
        columns={[
          {
            key: "name",
            title: t("fields.column"),
            render: (column) => (
              <Text fz="sm" fw={550}>
                {column.name}
              </Text>
            ),
          },
          {
            key: "kind",
            title: t("fields.kind"),
            width: 130,
            render: (column) => <KindMark kind={column.kind} />,
          },
          {
            key: "role",
            title: t("fields.role"),
            minWidth: 140,
            render: (column) => {
              const reason = reasonOf(column.reason);
              return (
                <>
                  <Text fz="sm" c={column.role === "feature" ? undefined : "dimmed"}>
                    {t(`roles.${column.role ?? "feature"}`)}
                  </Text>
                  {reason && (
                    <Text size="xs" c="dimmed">
                      {reason}
                    </Text>
                  )}
                </>
              );
            },
          },
          {
            key: "missing",
            title: t("fields.missingShare"),
            numeric: true,
            render: (column) => {
              const seen = of(column);
              return seen ? <Missing share={seen.count === 0 ? 0 : seen.missing / seen.count} /> : NONE;
            },
          },
          {
            key: "distinct",
            title: t("fields.distinct"),
            numeric: true,
            render: (column) => {
              const seen = of(column);
              if (!seen) return NONE;
              const count = format.count(seen.distinct);
              return seen.distinct_capped ? t("datasets.atLeast", { number: count }) : count;
            },
          },
          {
            key: "distribution",
            title: t("fields.distribution"),
            width: 255,
            render: (column) => {
              const seen = of(column);
              return seen ? <Distribution profile={seen} /> : NONE;
            },
          },
          {
            key: "min",
            title: t("fields.min"),
            numeric: true,
            render: (column) => end(column, of(column)?.min),
          },
          {
            key: "max",
            title: t("fields.max"),
            numeric: true,
            render: (column) => end(column, of(column)?.max),
          },
        ]}
      />
    </>
  );
}

function Missing({ share }: { share: number }) {
  const format = useFormat();
  if (share === 0)
    return (
      <Text span fz="sm" c="dimmed">
        {format.percent(0)}
      </Text>
    );
  return <>{format.percent(share)}</>;
}
