import { Anchor, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { artifactUrl, runArtifacts } from "@/api/runs";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";

/** What a run left behind. */
export function RunFiles({ runId }: { runId: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(runArtifacts(runId));
  if (query.isError && !query.data)
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton height={160} />;
  if (query.data.length === 0)
    return <EmptyState title={t("trials.noFiles")} hint={t("trials.noFilesHint")} />;
  return (
    <DataTable
      label={t("trials.files")}
      minWidth={320}
      rows={query.data}
      rowKey={(file) => file.path}
      columns={[
        {
          key: "path",
          title: t("fields.file"),
          render: (file) => (
            <Anchor fz="sm" href={artifactUrl(runId, file.path)} download={file.path.split("/").at(-1)}>
              {file.path}
            </Anchor>
          ),
        },
        {
          key: "size",
          title: t("fields.size"),
          numeric: true,
          render: (file) => format.bytes(file.size_bytes),
        },
      ]}
    />
  );
}
