import { Button, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Download, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Model, ModelVersion } from "@/api/generated";
import { modelDownloadUrl, modelKeys, removeModelVersion } from "@/api/models";
import { KindMark } from "@/features/datasets/KindMark";
import { Confirm } from "@/ui/Confirm";
import { CopyButton } from "@/ui/CopyButton";
import { DataTable } from "@/ui/DataTable";
import { NONE } from "@/ui/format";
import { AnchorLink } from "@/ui/links";
import { Section } from "@/ui/Section";
import { useFormat } from "@/ui/use-format";
import { Aliases } from "./Aliases";
import classes from "./Models.module.css";

/** One version in full: aliases, where it came from, what it takes. */
export function VersionDetail({ model, version }: { model: Model; version: ModelVersion }) {
  const { t } = useTranslation();
  return (
    <Section
      title={t("models.versionTitle", { version: version.version })}
      aside={<VersionActions version={version} />}
    >
      <div className={classes.columns}>
        <div>
          <Section title={t("models.aliases")}>
            <Aliases model={model} version={version.version} />
          </Section>
          <Section title={t("models.lineage")}>
            <LineagePairs version={version} />
          </Section>
          <Section title={t("trials.parameters")}>
            <Pairs pairs={Object.entries(version.lineage.params ?? {})} />
          </Section>
        </div>
        <Section title={t("models.signature")}>
          <Signature version={version} />
        </Section>
      </div>
    </Section>
  );
}

function VersionActions({ version }: { version: ModelVersion }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  return (
    <Group gap="xs">
      <Button
        component="a"
        href={modelDownloadUrl(version.model, version.version)}
        download
        variant="default"
        size="xs"
        leftSection={<Download size={14} aria-hidden />}
      >
        {t("models.download")}
      </Button>
      <Button
        variant="default"
        size="xs"
        leftSection={<Trash2 size={14} aria-hidden />}
        onClick={() => setAsking(true)}
      >
        {t("models.deleteVersion")}
      </Button>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("models.deleteVersionTitle")}
        text={t("models.deleteVersionText", { name: version.model, version: version.version })}
        action={t("common.delete")}
        danger
        run={() => removeModelVersion(version.model, version.version)}
        onDone={() => {
          void queries.invalidateQueries({ queryKey: modelKeys.all });
          void navigate({ to: "/models/$name", params: { name: version.model }, search: {} });
        }}
      />
    </Group>
  );
}

function LineagePairs({ version }: { version: ModelVersion }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { lineage } = version;
  return (
    <dl className={classes.pairs}>
      {lineage.experiment_id && (
        <>
          <dt>{t("models.from")}</dt>
          <dd>
            <AnchorLink
              to="/experiments/$experimentId"
              params={{ experimentId: lineage.experiment_id }}
              search={lineage.trial_number == null ? {} : { trial: lineage.trial_number }}
              fz="sm"
            >
              {lineage.experiment_name ?? t("experiments.one")}
              {lineage.trial_number != null &&
                ` · ${t("charts.trial", { number: format.count(lineage.trial_number) })}`}
            </AnchorLink>
          </dd>
        </>
      )}
      {lineage.dataset_id && (
        <>
          <dt>{t("tune.dataset")}</dt>
          <dd>
            <AnchorLink to="/datasets/$datasetId" params={{ datasetId: lineage.dataset_id }} fz="sm">
              {lineage.dataset_name ?? t("datasets.one")}{" "}
              {lineage.dataset_version != null && t("common.version", { version: lineage.dataset_version })}
            </AnchorLink>
          </dd>
        </>
      )}
      {lineage.dataset_sha256 && <Hash name={t("models.datasetHash")} value={lineage.dataset_sha256} />}
      <Hash name={t("fields.digest")} value={version.digest} />
      <dt>{t("fields.flavor")}</dt>
      <dd>{version.flavor}</dd>
      <dt>{t("fields.seed")}</dt>
      <dd>{lineage.seed ?? NONE}</dd>
      <dt>{t("models.code")}</dt>
      <dd>{lineage.code_version ?? NONE}</dd>
    </dl>
  );
}

function Hash({ name, value }: { name: string; value: string }) {
  const { t } = useTranslation();
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span className={classes.hash}>
          <code title={value}>{value.slice(0, 12)}</code>
          <CopyButton value={value} label={t("common.copyOf", { name })} />
        </span>
      </dd>
    </>
  );
}

function Pairs({ pairs }: { pairs: [string, unknown][] }) {
  const format = useFormat();
  return (
    <dl className={classes.pairs}>
      {pairs.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd title={String(value)}>{format.scalar(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Signature({ version }: { version: ModelVersion }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { signature } = version;
  const end = (value: number | string) =>
    typeof value === "number" ? format.number(value) : format.day(value);
  return (
    <>
      <Text size="sm" mb="xs">
        {t("models.predicts", { target: signature.target.name, task: t(`tasks.${signature.task}`) })}
        {signature.classes && `: ${signature.classes.map(String).join(", ")}`}
      </Text>
      <DataTable
        label={t("models.signature")}
        minWidth={420}
        rows={signature.features}
        rowKey={(column) => column.name}
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
          { key: "kind", title: t("fields.kind"), render: (column) => <KindMark kind={column.kind} /> },
          {
            key: "values",
            title: t("fields.values"),
            render: (column) =>
              column.categories ? (
                <Text fz="sm" title={column.categories.slice(0, 50).join(", ")}>
                  {t("models.categories", {
                    count: column.categories.length,
                    value: format.count(column.categories.length),
                  })}
                </Text>
              ) : column.range ? (
                t("settings.range", { low: end(column.range.min), high: end(column.range.max) })
              ) : (
                NONE
              ),
          },
        ]}
      />
      {(signature.ignored?.length ?? 0) > 0 && (
        <Text size="xs" c="dimmed" mt="xs">
          {t("models.ignored", { names: signature.ignored?.join(", ") ?? "" })}
        </Text>
      )}
    </>
  );
}
