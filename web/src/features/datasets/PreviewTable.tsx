import { Box, Skeleton, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { datasetPreview } from "@/api/datasets";
import type { Dataset, Preview } from "@/api/generated";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";
import classes from "./Datasets.module.css";

const ROWS = 50;

/** The first rows as they were read. */
export function PreviewTable({ dataset }: { dataset: Dataset }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(datasetPreview(dataset.id, ROWS));
  if (query.isError) return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton height={400} />;
  const { columns, rows, total_rows } = query.data;
  const numeric = columns.map(
    (name) => dataset.columns?.find((each) => each.name === name)?.kind === "numeric",
  );
  const times = columns.map(
    (name) => dataset.columns?.find((each) => each.name === name)?.dtype === "timestamp",
  );
  return (
    <>
      <Text size="sm" c="dimmed" mb="xs">
        {t("datasets.previewOf", { shown: format.count(rows.length), total: format.count(total_rows) })}
      </Text>
      <Box className={classes.preview} tabIndex={0} role="group" aria-label={t("datasets.preview")}>
        <Table aria-label={t("datasets.preview")}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((name, index) => (
                <Table.Th key={name} className={numeric[index] ? "num" : undefined}>
                  {name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no name but their place, and never move
              <Table.Tr key={index}>
                {columns.map((name, column) => (
                  <Table.Td key={name} className={numeric[column] ? "num" : undefined}>
                    <Cell value={row[column]} time={times[column] === true} />
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Box>
    </>
  );
}

function Cell({ value, time }: { value: Preview["rows"][number][number] | undefined; time: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (value === null || value === undefined)
    return <span className={classes.missing}>{t("datasets.missing")}</span>;
  if (typeof value === "number") return <>{String(value)}</>;
  if (time && typeof value === "string") return <>{format.cellTime(value)}</>;
  return <span title={String(value)}>{String(value)}</span>;
}
