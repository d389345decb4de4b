import { Skeleton, Tabs } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment, Trial } from "@/api/generated";
import { toProblem } from "@/api/problem";
import { TrialDrawer } from "@/features/trials/TrialDrawer";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ServerNotes } from "@/ui/ServerNotes";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";
import { ExperimentActions } from "./ExperimentActions";
import { KeyFigures } from "./KeyFigures";
import { notesOf } from "./notes";
import { ProgressChart } from "./ProgressChart";
import { Reason } from "./Reason";
import { Settings } from "./Settings";
import { SliceCharts } from "./SliceCharts";
import type { ExperimentSearch } from "./search";
import { TrialsTable } from "./TrialsTable";
import { useLiveExperiment } from "./use-live-experiment";

/** One experiment, live. */
export function ExperimentPage({ id, search }: { id: string; search: ExperimentSearch }) {
  const { t } = useTranslation();
  const { experiment, trials } = useLiveExperiment(id);
  // What was deleted elsewhere is not shown as if it were still there.
  if (experiment.isError && (!experiment.data || toProblem(experiment.error).status === 404)) {
    return (
      <Page title={t("experiments.one")}>
        <ProblemAlert error={experiment.error} onRetry={() => void experiment.refetch()}>
          <ButtonLink to="/experiments" size="xs" variant="default">
            {t("experiments.back")}
          </ButtonLink>
        </ProblemAlert>
      </Page>
    );
  }
  if (!experiment.data) {
    return (
      <Page title={t("experiments.one")}>
        <Skeleton height={72} mb="lg" />
        <Skeleton height={280} mb="lg" />
        <Skeleton height={300} />
      </Page>
    );
  }
  return (
    <Loaded
      experiment={experiment.data}
      trials={trials.data}
      problem={trials.isError ? trials.error : null}
      onRetry={() => void trials.refetch()}
      search={search}
    />
  );
}

interface LoadedProps {
  experiment: Experiment;
  trials: Trial[] | undefined;
  problem: Error | null;
  onRetry: () => void;
  search: ExperimentSearch;
}

function Loaded({ experiment, trials, problem, onRetry, search }: LoadedProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate({ from: "/experiments/$experimentId" });
  const change = (next: Partial<ExperimentSearch>) =>
    void navigate({ search: (old) => ({ ...old, ...next }), replace: true, resetScroll: false });
  const phase = experiment.state === "running" ? experiment.phase : null;
  const known = (["searching", "finishing", "evaluating"] as const).find((each) => each === phase);
  const showTrial = (trial: number | undefined) => change({ trial });
  return (
    <Page
      title={experiment.name}
      badge={
        <span data-testid="experiment-state">
          <StateMark state={experiment.state} />
        </span>
      }
      subtitle={
        <>
          <AnchorLink to="/datasets/$datasetId" params={{ datasetId: experiment.dataset_id }}>
            {experiment.dataset_name}
          </AnchorLink>{" "}
          {t("common.version", { version: experiment.dataset_version })}
          {" · "}
          {t("experiments.goal", { target: experiment.target, task: t(`tasks.${experiment.task}`) })}
          {known && ` · ${t(`phases.${known}`)}`}
        </>
      }
      actions={<ExperimentActions experiment={experiment} />}
    >
      <Reason experiment={experiment} />
      <ServerNotes
        items={experiment.warnings}
        known={notesOf(experiment).map(({ about, count }) =>
          t(`experiments.notes.${about}`, { value: format.count(count) }),
        )}
      />
      <KeyFigures experiment={experiment} onTrial={showTrial} />
      {problem && !trials ? (
        <ProblemAlert error={problem} onRetry={onRetry} />
      ) : !trials ? (
        <Skeleton height={280} />
      ) : (
        <>
          <ProgressChart experiment={experiment} trials={trials} onTrial={showTrial} />
          <Tabs
            value={search.tab ?? "trials"}
            keepMounted={false}
            onChange={(tab) => change({ tab: tab === "parameters" || tab === "settings" ? tab : undefined })}
          >
            <Tabs.List mb="md">
              <Tabs.Tab value="trials">{t("experiments.trials")}</Tabs.Tab>
              <Tabs.Tab value="parameters">{t("experiments.parameters")}</Tabs.Tab>
              <Tabs.Tab value="settings">{t("experiments.settings")}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="trials">
              <TrialsTable experiment={experiment} trials={trials} search={search} onChange={change} />
            </Tabs.Panel>
            <Tabs.Panel value="parameters">
              <SliceCharts experiment={experiment} trials={trials} onTrial={showTrial} />
            </Tabs.Panel>
            <Tabs.Panel value="settings">
              <Settings experiment={experiment} />
            </Tabs.Panel>
          </Tabs>
        </>
      )}
      <TrialDrawer
        experiment={experiment}
        number={search.trial}
        live={!isFinal(experiment)}
        onClose={() => showTrial(undefined)}
      />
    </Page>
  );
}
