import { Chip, Group, Text, UnstyledButton } from "@mantine/core";
import { Star } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment, Trial } from "@/api/generated";
import { EmptyState } from "@/ui/EmptyState";
import { NONE } from "@/ui/format";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";
import { type VirtualColumn, VirtualTable } from "@/ui/VirtualTable";
import classes from "./Experiment.module.css";
import { type ExperimentSearch, TRIAL_STATES } from "./search";
import { arrange, defaultView, searchedParameters, type TrialView } from "./trial-list";

interface TrialsTableProps {
  experiment: Experiment;
  trials: Trial[];
  search: ExperimentSearch;
  onChange: (next: Partial<ExperimentSearch>) => void;
}

/** Every trial with its parameters; order and filter are part of the address. */
export function TrialsTable({ experiment, trials, search, onChange }: TrialsTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const initial = defaultView(isFinal(experiment), experiment.direction);
  const view: TrialView = {
    sort: search.sort ?? initial.sort,
    descending: search.desc ?? initial.descending,
    states: search.states ?? [],
  };
  const { sort, descending } = view;
  const states = search.states;
  const rows = useMemo(
    () => arrange(trials, { sort, descending, states: states ?? [] }),
    [trials, sort, descending, states],
  );
  const parameters = useMemo(() => searchedParameters(experiment.search_space), [experiment.search_space]);
  const present = TRIAL_STATES.filter(
    (state) => states?.includes(state) || trials.some((trial) => trial.state === state),
  );
  const best = experiment.best?.number;
  const show = (trial: Trial) => onChange({ trial: trial.number });

  const columns: VirtualColumn<Trial>[] = [
    {
      key: "number",
      title: t("fields.trial"),
      width: 84,
      numeric: true,
      sortable: true,
      render: (trial) => (
        <UnstyledButton
          className={classes.number}
          onClick={(event) => {
            event.stopPropagation();
            show(trial);
          }}
          aria-label={t("trials.open", { number: format.count(trial.number) })}
        >
          {trial.number === best && (
            <Star size={12} fill="currentColor" role="img" aria-label={t("trials.isBest")} />
          )}
          {format.count(trial.number)}
        </UnstyledButton>
      ),
    },
    {
      key: "state",
      title: t("fields.state"),
      width: 116,
      render: (trial) => <StateMark state={trial.state} />,
    },
    {
      key: "value",
      title: t(`metrics.${experiment.metric}`),
      width: 104,
      numeric: true,
      sortable: true,
      render: (trial) =>
        trial.value != null ? (
          format.metric(trial.value)
        ) : trial.state === "running" && trial.last_value != null ? (
          <Text span fz="sm" c="dimmed" title={t("trials.soFar")}>
            {format.metric(trial.last_value)}
          </Text>
        ) : (
          NONE
        ),
    },
    ...parameters.map(
      (name): VirtualColumn<Trial> => ({
        key: `param:${name}`,
        title: name,
        width: Math.max(92, Math.min(180, name.length * 6.6 + 32)),
        numeric: typeof trials[0]?.params[name] === "number",
        sortable: true,
        render: (trial) => format.scalar(trial.params[name]),
      }),
    ),
    {
      key: "duration",
      title: t("fields.duration"),
      width: 112,
      numeric: true,
      sortable: true,
      render: (trial) => (trial.duration_seconds == null ? NONE : format.duration(trial.duration_seconds)),
    },
    {
      key: "source",
      title: t("fields.source"),
      width: 110,
      render: (trial) => (trial.source === "baseline" ? t("trials.baseline") : trial.source),
    },
    ...(trials.some((trial) => trial.cause)
      ? [
          {
            key: "cause",
            title: t("fields.cause"),
            width: 260,
            render: (trial: Trial) => {
              const cause = trial.cause ? t(`causes.${trial.cause}`) : NONE;
              return <span title={cause}>{cause}</span>;
            },
          },
        ]
      : []),
  ];

  if (trials.length === 0) {
    return isFinal(experiment) ? (
      <EmptyState title={t("trials.emptyEnded")} hint={t("trials.emptyEndedHint")} />
    ) : (
      <EmptyState title={t("trials.empty")} hint={t("trials.emptyHint")} />
    );
  }
  return (
    <>
      <Group justify="space-between" mb="xs" gap="sm">
        <Chip.Group
          multiple
          value={[...view.states]}
          onChange={(value) => {
            const chosen = TRIAL_STATES.filter((state) => value.includes(state));
            onChange({ states: chosen.length > 0 ? chosen : undefined });
          }}
        >
          <div className={classes.chips} role="group" aria-label={t("trials.filter")}>
            {present.map((state) => (
              <Chip key={state} value={state} size="xs" variant="outline">
                {t(`states.${state}`)}
              </Chip>
            ))}
          </div>
        </Chip.Group>
        <Text size="xs" c="dimmed" className="tabular" role="status">
          {rows.length === trials.length
            ? t("trials.count", { count: trials.length, value: format.count(trials.length) })
            : t("trials.countOf", { shown: format.count(rows.length), all: format.count(trials.length) })}
        </Text>
      </Group>
      <VirtualTable
        label={t("experiments.trials")}
        columns={columns}
        rows={rows}
        rowKey={(trial) => trial.id}
        sort={{ key: sort, descending }}
        onSort={(key) => onChange({ sort: key, desc: key === sort ? !descending : key !== "number" })}
        onRow={show}
        isCurrent={(trial) => trial.number === search.trial}
      />
    </>
  );
}
