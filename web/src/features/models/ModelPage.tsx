import { Button, Menu, Skeleton, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { EllipsisVertical, Rocket, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Model, ModelVersion } from "@/api/generated";
import { modelKeys, modelOne, modelVersions, removeModel } from "@/api/models";
import { DeployDialog } from "@/features/endpoints/DeployDialog";
import { METRICS, useSeriesName } from "@/features/experiments/metrics";
import { Ago } from "@/ui/Ago";
import { Confirm } from "@/ui/Confirm";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { NONE } from "@/ui/format";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Section } from "@/ui/Section";
import { useFormat } from "@/ui/use-format";
import { AliasMark } from "./AliasMark";
import { VersionDetail } from "./VersionDetail";

/** A model: its versions, and one of them in full. */
export function ModelPage({ name, version }: { name: string; version: number | undefined }) {
  const { t } = useTranslation();
  const model = useQuery(modelOne(name));
  const versions = useQuery(modelVersions(name));
  if (model.isError && !model.data) {
    return (
      <Page title={name}>
        <ProblemAlert error={model.error} onRetry={() => void model.refetch()}>
          <ButtonLink to="/models" size="xs" variant="default">
            {t("models.back")}
          </ButtonLink>
        </ProblemAlert>
      </Page>
    );
  }
  const shown = versions.data?.find((each) => each.version === version) ?? versions.data?.[0];
  return (
    <Page
      title={name}
      subtitle={model.data?.description || undefined}
      actions={model.data && <ModelActions model={model.data} version={shown} />}
    >
      <Section title={t("models.versions")}>
        {versions.isError && !versions.data ? (
          <ProblemAlert error={versions.error} onRetry={() => void versions.refetch()} />
        ) : versions.data?.length === 0 ? (
          <EmptyState title={t("models.noVersions")} hint={t("models.noVersionsHint")} />
        ) : (
          <VersionTable name={name} versions={versions.data} shown={shown?.version} />
        )}
      </Section>
      {shown && model.data ? (
        <VersionDetail key={shown.version} model={model.data} version={shown} />
      ) : versions.isPending ? (
        <Skeleton height={240} />
      ) : null}
    </Page>
  );
}

interface VersionTableProps {
  name: string;
  versions: ModelVersion[] | undefined;
  shown: number | undefined;
}

function VersionTable({ name, versions, shown }: VersionTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useSeriesName();
  const metrics = METRICS.filter((metric) =>
    versions?.some((version) => version.metrics?.[metric] !== undefined),
  );
  return (
    <DataTable
      label={t("models.versions")}
      rows={versions}
      expected={2}
      rowKey={(row) => String(row.version)}
      isCurrent={(row) => row.version === shown}
      columns={[
        {
          key: "version",
          title: t("fields.version"),
          render: (row) => (
            <AnchorLink
              to="/models/$name"
              params={{ name }}
              search={{ version: row.version }}
              fw={550}
              aria-current={row.version === shown ? "true" : undefined}
            >
              {t("common.version", { version: row.version })}
            </AnchorLink>
          ),
        },
        {
          key: "aliases",
          title: t("models.aliases"),
          render: (row) =>
            row.aliases?.length ? row.aliases.map((alias) => <AliasMark key={alias} alias={alias} />) : NONE,
        },
        ...metrics.map((metric) => ({
          key: metric,
          title: nameOf(metric),
          numeric: true,
          render: (row: ModelVersion) => {
            const value = row.metrics?.[metric];
            return value === undefined ? NONE : format.metric(value);
          },
        })),
        {
          key: "from",
          title: t("models.from"),
          render: (row) =>
            row.lineage.experiment_id ? (
              <AnchorLink
                to="/experiments/$experimentId"
                params={{ experimentId: row.lineage.experiment_id }}
              >
                {row.lineage.experiment_name ?? t("experiments.one")}
              </AnchorLink>
            ) : (
              <Text span fz="sm" c="dimmed">
                {t("models.fromRun")}
              </Text>
            ),
        },
        {
          key: "size",
          title: t("fields.size"),
          numeric: true,
          render: (row) => format.bytes(row.size_bytes),
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

function ModelActions({ model, version }: { model: Model; version: ModelVersion | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"delete" | "deploy" | null>(null);
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
            c="var(--mantine-color-error)"
            leftSection={<Trash2 size={14} aria-hidden />}
            onClick={() => setDialog("delete")}
          >
            {t("models.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button
        leftSection={<Rocket size={15} aria-hidden />}
        disabled={!version}
        onClick={() => setDialog("deploy")}
      >
        {version ? t("models.deployVersion", { version: version.version }) : t("actions.deploy")}
      </Button>
      {version && (
        <DeployDialog
          opened={dialog === "deploy"}
          onClose={() => setDialog(null)}
          suggestion={model.name}
          body={{ model: model.name, version: version.version }}
          text={t("deploy.version", { model: model.name, version: version.version })}
        />
      )}
      <Confirm
        opened={dialog === "delete"}
        onClose={() => setDialog(null)}
        title={t("models.deleteTitle")}
        text={t("models.deleteText", { name: model.name })}
        action={t("common.delete")}
        danger
        run={() => removeModel(model.name)}
        onDone={() => {
          queries.removeQueries({ queryKey: modelKeys.one(model.name) });
          void queries.invalidateQueries({ queryKey: modelKeys.list() });
          void navigate({ to: "/models" });
        }}
      />
    </>
  );
}
