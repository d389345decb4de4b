import { Button, Drawer, Skeleton, Table, Tabs, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Package } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { trialOne } from "@/api/experiments";
import type { Experiment, TrialDetail } from "@/api/generated";
import { modelKeys, registerVersion } from "@/api/models";
import { useSeriesName } from "@/features/experiments/metrics";
import { Ago } from "@/ui/Ago";
import { Facts } from "@/ui/Facts";
import { NONE } from "@/ui/format";
import { AnchorLink } from "@/ui/links";
import { Notice } from "@/ui/Notice";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Said } from "@/ui/Said";
import { Section } from "@/ui/Section";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";
import { Attempts } from "./Attempts";
import { CurveChart } from "./CurveChart";
import { RunFiles } from "./RunFiles";
import { RunLog } from "./RunLog";
import { RunUsage } from "./RunUsage";

interface TrialDrawerProps {
  experiment: Experiment;
  /** Which trial; undefined while none is looked at. */
  number: number | undefined;
  live: boolean;
  onClose: () => void;
}

/** One trial beside its experiment: parameters, curve, attempts, log and files. */
export function TrialDrawer({ experiment, number, live, onClose }: TrialDrawerProps) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Drawer
      opened={number !== undefined}
      onClose={onClose}
      position="right"
      size="lg"
      title={number === undefined ? "" : t("trials.title", { number: format.count(number) })}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {number !== undefined && <TrialView key={number} experiment={experiment} number={number} live={live} />}
    </Drawer>
  );
}

function TrialView({ experiment, number, live }: { experiment: Experiment; number: number; live: boolean }) {
  const { t } = useTranslation();
  const query = useQuery(trialOne(experiment.id, number));
  const [tab, setTab] = useState<string | null>("overview");
  if (query.isError && !query.data) {
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  }
  if (!query.data) return <Skeleton height={360} />;
  const trial = query.data;
  const run = trial.run_id;
  return (
    <Tabs value={tab} onChange={setTab} keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">{t("trials.overview")}</Tabs.Tab>
        <Tabs.Tab value="log" disabled={!run}>
          {t("trials.log")}
        </Tabs.Tab>
        <Tabs.Tab value="files" disabled={!run}>
          {t("trials.files")}
        </Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <Overview experiment={experiment} trial={trial} live={live} />
      </Tabs.Panel>
      <Tabs.Panel value="log">
        {run && <RunLog runId={run} live={live && trial.state === "running"} />}
      </Tabs.Panel>
      <Tabs.Panel value="files">{run && <RunFiles runId={run} />}</Tabs.Panel>
    </Tabs>
  );
}

function Overview({
  experiment,
  trial,
  live,
}: {
  experiment: Experiment;
  trial: TrialDetail;
  live: boolean;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const metrics = Object.entries(trial.metrics ?? {});
  const nameOf = useSeriesName();
  return (
    <>
      <Facts
        items={[
          [t("fields.state"), <StateMark key="state" state={trial.state} />],
          [t(`metrics.${experiment.metric}`), trial.value == null ? NONE : format.metric(trial.value)],
          [
            t("fields.duration"),
            trial.duration_seconds == null ? NONE : format.duration(trial.duration_seconds),
          ],
          [t("fields.started"), trial.started_at ? <Ago key="started" at={trial.started_at} /> : NONE],
          [t("fields.source"), trial.source === "baseline" ? t("trials.baseline") : trial.source],
        ]}
      />
      {(trial.reason || trial.cause) && (
        <Notice
          tone={trial.state === "failed" ? "warning" : "note"}
          title={trial.cause ? t(`causes.${trial.cause}`) : undefined}
        >
          {trial.reason && (
            <div style={{ whiteSpace: "pre-wrap" }}>
              <Said>{trial.reason}</Said>
            </div>
          )}
        </Notice>
      )}
      {(trial.intermediate?.length ?? 0) > 0 && <CurveChart experiment={experiment} trial={trial} />}
      <Section title={t("trials.parameters")}>
        <Table aria-label={t("trials.parameters")} layout="fixed">
          <Table.Tbody>
            {Object.entries(trial.params).map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" fw={400}>
                  {name}
                </Table.Th>
                <Table.Td className="num" title={String(value)}>
                  {format.scalar(value)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Section>
      {metrics.length > 0 && (
        <Section title={t("trials.metrics")}>
          <Table aria-label={t("trials.metrics")} layout="fixed">
            <Table.Tbody>
              {metrics.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th scope="row" fw={400}>
                    {nameOf(name)}
                  </Table.Th>
                  <Table.Td className="num">{format.metric(value)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Section>
      )}
      {trial.run_id && <RunUsage runId={trial.run_id} live={live && trial.state === "running"} />}
      <Attempts trial={trial} />
      {trial.state === "completed" && trial.run_id && (
        <Register model={experiment.name} runId={trial.run_id} />
      )}
    </>
  );
}

function Register({ model, runId }: { model: string; runId: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const register = useMutation({
    mutationFn: () => registerVersion(model, runId),
    onSuccess: () => void queries.invalidateQueries({ queryKey: modelKeys.all }),
  });
  return (
    <Section title={t("trials.model")}>
      {register.data ? (
        <Text size="sm" role="status">
          {t("trials.registered", { version: register.data.version })}{" "}
          <AnchorLink to="/models/$name" params={{ name: register.data.model }}>
            {register.data.model}
          </AnchorLink>
        </Text>
      ) : (
        <>
          <Text size="sm" c="dimmed" mb="xs">
            {t("trials.registerHint")}
          </Text>
          <Button
            variant="default"
            leftSection={<Package size={15} aria-hidden />}
            loading={register.isPending}
            onClick={() => register.mutate()}
          >
            {t("trials.register")}
          </Button>
        </>
      )}
      {register.error && (
        <div style={{ marginTop: 8 }}>
          <ProblemAlert error={register.error} />
        </div>
      )}
    </Section>
  );
}
