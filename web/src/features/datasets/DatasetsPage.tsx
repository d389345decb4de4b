import { Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { datasetList } from "@/api/datasets";
import { SampleList } from "@/features/uploads/SampleList";
import { UploadZone } from "@/features/uploads/UploadZone";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { NONE } from "@/ui/format";
import { ListFrame } from "@/ui/ListFrame";
import { AnchorLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { Section } from "@/ui/Section";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";

/** Every data set version, the newest first, and the place where another is uploaded. */
export function DatasetsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useInfiniteQuery(datasetList());
  return (
    <Page title={t("datasets.title")} subtitle={t("datasets.subtitle")}>
      <Section title={t("datasets.upload")}>
        <UploadZone />
      </Section>
      <Section title={t("datasets.list")}>
        <ListFrame
          query={query}
          empty={<EmptyState title={t("datasets.empty")} hint={t("datasets.emptyHint")} />}
        >
          {(rows) => (
            <DataTable
              label={t("datasets.title")}
              rows={rows}
              rowKey={(row) => row.id}
              minWidth={680}
              columns={[
                {
                  key: "name",
                  title: t("fields.name"),
                  render: (row) => (
                    <>
                      <AnchorLink to="/datasets/$datasetId" params={{ datasetId: row.id }} fw={550}>
                        {row.name}
                      </AnchorLink>{" "}
                      <Text span size="xs" c="dimmed">
                        {t("common.version", { version: row.version })}
                      </Text>
                    </>
                  ),
                },
                {
                  key: "state",
                  title: t("fields.state"),
                  width: 120,
                  render: (row) => <StateMark state={row.state} />,
                },
                {
                  key: "rows",
                  title: t("fields.rows"),
                  numeric: true,
                  render: (row) => (row.rows == null ? NONE : format.count(row.rows)),
                },
                {
                  key: "columns",
                  title: t("fields.columns"),
                  numeric: true,
                  render: (row) => (row.columns?.length ? format.count(row.columns.length) : NONE),
                },
                {
                  key: "size",
                  title: t("fields.size"),
                  numeric: true,
                  render: (row) => format.bytes(row.size_bytes),
                },
                {
                  key: "created",
                  title: t("fields.uploaded"),
                  width: 130,
                  render: (row) => <Ago at={row.created_at} />,
                },
              ]}
            />
          )}
        </ListFrame>
      </Section>
      <SampleSection />
    </Page>
  );
}

function SampleSection() {
  const { t } = useTranslation();
  return (
    <Section title={t("samples.title")}>
      <SampleList />
    </Section>
  );
}
