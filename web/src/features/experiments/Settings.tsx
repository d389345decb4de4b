import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Experiment, Toleration } from "@/api/generated";
import { KindMark } from "@/features/datasets/KindMark";
import { useRoleReason } from "@/features/datasets/role-reason";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { Facts } from "@/ui/Facts";
import { NONE } from "@/ui/format";
import { Section } from "@/ui/Section";
import { useFormat } from "@/ui/use-format";

/** All that was asked for, so that the experiment can be made again. */
export function Settings({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  const format = useFormat();
  const reasonOf = useRoleReason();
  const { split, budget } = experiment;
  return (
    <>
      <Facts
        items={[
          [t("fields.metric"), t(`metricsLong.${experiment.metric}`)],
          [t("fields.trainer"), experiment.trainer],
          [t("fields.algorithm"), experiment.algorithm],
          [t("fields.seed"), String(experiment.seed)],
          [t("fields.parallelism"), format.count(experiment.parallelism)],
          [
            t("fields.maxTrials"),
            budget.max_trials == null ? t("common.noLimit") : format.count(budget.max_trials),
          ],
          [
            t("fields.maxTime"),
            budget.max_seconds == null ? t("common.noLimit") : format.duration(budget.max_seconds),
          ],
          [t("fields.created"), <Ago key="created" at={experiment.created_at} />],
        ]}
      />
      <ContainerSection experiment={experiment} />
      <WorkerSection experiment={experiment} />
      <Section title={t("settings.split")}>
        <Facts
          items={[
            [t("settings.train"), format.count(split.train)],
            [t("settings.validation"), format.count(split.validation)],
            [t("settings.holdout"), format.count(split.holdout)],
            [t("settings.excluded"), format.count(split.excluded)],
            [
              t("settings.method"),
              split.method === "stratified" ? t("settings.stratified") : t("settings.random"),
            ],
          ]}
        />
      </Section>
      <Section title={t("settings.space")}>
        <DataTable
          label={t("settings.space")}
          rows={Object.entries(experiment.search_space)}
          rowKey={([name]) => name}
          columns={[
            {
              key: "name",
              title: t("fields.parameter"),
              render: ([name]) => (
                <Text fz="sm" fw={550}>
                  {name}
                </Text>
              ),
            },
            {
              key: "range",
              title: t("fields.values"),
              render: ([, parameter]) =>
                "value" in parameter
                  ? format.scalar(parameter.value)
                  : "choices" in parameter
                    ? parameter.choices.map((choice) => format.scalar(choice)).join(", ")
                    : t("settings.range", {
                        low: format.number(parameter.low),
                        high: format.number(parameter.high),
                      }),
            },
            {
              key: "scale",
              title: t("fields.scale"),
              render: ([, parameter]) =>
                "value" in parameter
                  ? t("settings.fixed")
                  : "choices" in parameter
                    ? t("settings.choices")
                    : parameter.log
                      ? t("settings.log")
                      : parameter.step != null && (parameter.type === "float" || parameter.step !== 1)
                        ? t("settings.step", { step: format.number(parameter.step) })
                        : t("settings.linear"),
            },
          ]}
        />
      </Section>
      <Section title={t("settings.columns")}>
        <DataTable
          label={t("settings.columns")}
          rows={experiment.columns}
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
              key: "role",
              title: t("fields.role"),
              render: (column) => t(`roles.${column.role ?? "feature"}`),
            },
            { key: "reason", title: t("fields.reason"), render: (column) => reasonOf(column.reason) ?? NONE },
          ]}
        />
      </Section>
    </>
  );
}

/** The image and the command that are one trial; nothing where a trainer of ours trains. */
function ContainerSection({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  const container = experiment.container;
  if (!container) return null;
  const facts: [string, string][] = [
    [t("settings.image"), container.image],
    [t("settings.command"), container.command.map(quoted).join(" ")],
    [
      t("settings.values"),
      container.metrics === "file" ? t("settings.valuesFile") : t("settings.valuesStdout"),
    ],
  ];
  if (container.run_as_user != null) facts.push([t("settings.user"), String(container.run_as_user)]);
  return (
    <Section title={t("settings.container")}>
      <Facts items={facts} />
    </Section>
  );
}

/** An argument as a shell would want it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** What each worker was given and where it may run; nothing where all of it was left to the server. */
function WorkerSection({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  const format = useFormat();
  const worker = experiment.worker ?? {};
  const facts: [string, string | null | undefined][] = [
    [t("settings.cpu"), worker.cpu == null ? null : format.number(worker.cpu)],
    [t("settings.memory"), worker.memory_bytes == null ? null : format.memory(worker.memory_bytes)],
    [t("settings.gpu"), worker.gpu == null ? null : format.count(worker.gpu)],
    [t("settings.image"), worker.image],
    [t("settings.pullSecrets"), worker.image_pull_secrets?.join(", ")],
    [
      t("settings.nodeSelector"),
      Object.entries(worker.node_selector ?? {})
        .map(([label, value]) => `${label}=${value}`)
        .join(", "),
    ],
    [t("settings.tolerations"), (worker.tolerations ?? []).map(tolerated).join(", ")],
    [t("settings.priority"), worker.priority_class],
    [t("settings.queue"), worker.queue],
    [t("settings.env"), Object.keys(worker.env ?? {}).join(", ")],
    [t("settings.secrets"), worker.secrets?.join(", ")],
  ];
  const given = facts.filter((fact): fact is [string, string] => Boolean(fact[1]));
  if (given.length === 0) return null;
  return (
    <Section title={t("settings.worker")}>
      <Facts items={given} />
    </Section>
  );
}

/** A taint as kubectl writes it. */
function tolerated({ key, value, effect }: Toleration): string {
  return `${key ?? "*"}${value ? `=${value}` : ""}${effect ? `:${effect}` : ""}`;
}
