import { Button, Menu, Select, Skeleton, Stack, Tabs, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Download, EllipsisVertical, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import {
  datasetContentUrl,
  datasetKeys,
  datasetOne,
  datasetVersions,
  removeDataset,
  sampleList,
} from "@/api/datasets";
import type { Dataset } from "@/api/generated";
import { ApiProblem } from "@/api/problem";
import { Ago } from "@/ui/Ago";
import { Confirm } from "@/ui/Confirm";
import { CopyButton } from "@/ui/CopyButton";
import { Facts } from "@/ui/Facts";
import { NONE } from "@/ui/format";
import { ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ServerNotes } from "@/ui/ServerNotes";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";
import { ColumnsTable } from "./ColumnsTable";
import { PreviewTable } from "./PreviewTable";

const DELIMITERS: Record<string, "comma" | "tab" | "semicolon" | "pipe"> = {
  ",": "comma",
  "\t": "tab",
  ";": "semicolon",
  "|": "pipe",
};

/** One data set version: what its columns hold, its first rows, and the way to tune on it. */
export function DatasetPage({ id, tab }: { id: string; tab: "columns" | "preview" }) {
  const { t } = useTranslation();
  const query = useQuery(datasetOne(id));
  if (query.isError && !query.data) {
    return (
      <Page title={t("datasets.one")}>
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()}>
          <ButtonLink to="/datasets" size="xs" variant="default">
            {t("datasets.back")}
          </ButtonLink>
        </ProblemAlert>
      </Page>
    );
  }
  if (!query.data) {
    return (
      <Page title={t("datasets.one")}>
        <Skeleton height={56} mb="lg" />
        <Skeleton height={320} />
      </Page>
    );
  }
  return <Loaded dataset={query.data} tab={tab} />;
}

function Loaded({ dataset, tab }: { dataset: Dataset; tab: "columns" | "preview" }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const ready = dataset.state === "ready";
  const samples = useQuery(sampleList());
  const sample = samples.data?.find((each) => each.name === dataset.name);
  const suggested = dataset.columns?.find((column) => column.name === sample?.target)?.name;
  return (
    <Page
      title={dataset.name}
      badge={!ready && <StateMark state={dataset.state} />}
      subtitle={t("datasets.fromFile", { file: dataset.file_name })}
      actions={
        <>
          <Versions dataset={dataset} />
          <Actions dataset={dataset} />
          {ready && (
            <ButtonLink
              to="/experiments/new"
              search={{ dataset: dataset.id, ...(suggested === undefined ? {} : { target: suggested }) }}
            >
              {t("datasets.tune")}
            </ButtonLink>
          )}
        </>
      }
    >
      <DatasetFacts dataset={dataset} />
      {dataset.state === "failed" && (
        <ProblemAlert
          title={t("datasets.failed")}
          error={
            dataset.problem
              ? new ApiProblem(dataset.problem)
              : new ApiProblem({ status: 500, code: "internal", detail: "" })
          }
        >
          <ButtonLink to="/datasets" size="xs" variant="default">
            {t("datasets.uploadAnother")}
          </ButtonLink>
        </ProblemAlert>
      )}
      {dataset.state === "parsing" && (
        <Stack gap="sm" aria-busy="true">
          <Text role="status">{t("datasets.parsing")}</Text>
          <Skeleton height={320} />
        </Stack>
      )}
      <ServerNotes items={dataset.warnings} />
      {ready && (
        <Tabs
          value={tab}
          keepMounted={false}
          onChange={(value) =>
            void navigate({
              to: "/datasets/$datasetId",
              params: { datasetId: dataset.id },
              search: value === "preview" ? { tab: "preview" } : {},
              replace: true,
            })
          }
        >
          <Tabs.List mb="md">
            <Tabs.Tab value="columns">{t("datasets.columns")}</Tabs.Tab>
            <Tabs.Tab value="preview">{t("datasets.preview")}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="columns">
            <ColumnsTable dataset={dataset} />
          </Tabs.Panel>
          <Tabs.Panel value="preview">
            <PreviewTable dataset={dataset} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Page>
  );
}

function DatasetFacts({ dataset }: { dataset: Dataset }) {
  const { t } = useTranslation();
  const format = useFormat();
  const layout = [
    dataset.format?.toUpperCase(),
    dataset.encoding,
    dataset.delimiter && DELIMITERS[dataset.delimiter]
      ? t(`delimiters.${DELIMITERS[dataset.delimiter] ?? "comma"}`)
      : null,
  ].filter(Boolean);
  return (
    <Facts
      items={[
        [t("fields.rows"), dataset.rows == null ? NONE : format.count(dataset.rows)],
        [t("fields.columns"), dataset.columns?.length ? format.count(dataset.columns.length) : NONE],
        [t("fields.size"), format.bytes(dataset.size_bytes)],
        [t("fields.layout"), layout.join(" · ") || NONE],
        [t("fields.uploaded"), <Ago key="at" at={dataset.created_at} />],
        [
          "SHA-256",
          <span key="sha" style={{ display: "inline-flex", alignItems: "center", gap: 2 }}>
            <code title={dataset.sha256}>{dataset.sha256.slice(0, 8)}</code>
            <CopyButton value={dataset.sha256} label={t("common.copySha")} />
          </span>,
        ],
      ]}
    />
  );
}

function Versions({ dataset }: { dataset: Dataset }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { data } = useQuery(datasetVersions(dataset.name));
  if (!data || data.length < 2)
    return <Text c="dimmed">{t("common.version", { version: dataset.version })}</Text>;
  return (
    <Select
      aria-label={t("datasets.version")}
      w={150}
      allowDeselect={false}
      value={dataset.id}
      data={data.map((each) => ({
        value: each.id,
        label: t("common.versionLong", { version: each.version }),
      }))}
      onChange={(value) => {
        if (value) void navigate({ to: "/datasets/$datasetId", params: { datasetId: value } });
      }}
    />
  );
}

function Actions({ dataset }: { dataset: Dataset }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px={8} aria-label={t("common.moreActions")}>
            <EllipsisVertical size={16} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            component="a"
            href={datasetContentUrl(dataset.id)}
            download={dataset.file_name}
            leftSection={<Download size={14} aria-hidden />}
          >
            {t("datasets.download")}
          </Menu.Item>
          <Menu.Item
            c="var(--mantine-color-error)"
            leftSection={<Trash2 size={14} aria-hidden />}
            onClick={() => setAsking(true)}
          >
            {t("common.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("datasets.deleteTitle")}
        text={t("datasets.deleteText", { name: dataset.name, version: dataset.version })}
        action={t("common.delete")}
        danger
        run={() => removeDataset(dataset.id)}
        onDone={() => {
          queries.removeQueries({ queryKey: datasetKeys.one(dataset.id) });
          void queries.invalidateQueries({ queryKey: datasetKeys.list() });
          void navigate({ to: "/datasets" });
        }}
      />
    </>
  );
}
