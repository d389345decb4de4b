import { Text } from "@mantine/core";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment, Trial } from "@/api/generated";
import { Figure } from "@/ui/chart/Figure";
import { LazyChart } from "@/ui/chart/LazyChart";
import { axis, type ChartColours, type ChartOption, escapeHtml, tooltip } from "@/ui/chart/types";
import { EmptyState } from "@/ui/EmptyState";
import { useFormat } from "@/ui/use-format";
import { VirtualTable } from "@/ui/VirtualTable";
import classes from "./Experiment.module.css";
import { focusRange } from "./progress";
import { searchedParameters } from "./trial-list";

const HEIGHT = 190;

interface SliceProps {
  experiment: Experiment;
  trials: Trial[];
  onTrial: (number: number) => void;
}

/** What each hyperparameter did: the objective of every trial against its value. */
export function SliceCharts({ experiment, trials, onTrial }: SliceProps) {
  const { t } = useTranslation();
  const parameters = useMemo(() => searchedParameters(experiment.search_space), [experiment.search_space]);
  const completed = useMemo(
    () => trials.filter((trial) => trial.state === "completed" && trial.value != null),
    [trials],
  );
  const ended = isFinal(experiment);
  if (completed.length === 0)
    return (
      <EmptyState
        title={t(ended ? "figures.none" : "charts.noTrials")}
        hint={t(ended ? "charts.noSlicesEnded" : "charts.noSlices")}
      />
    );
  return (
    <>
      <Text size="sm" c="dimmed" mb="md">
        {t("charts.slicesHint", { metric: t(`metrics.${experiment.metric}`) })}
      </Text>
      <div className={classes.slices}>
        {parameters.map((name) => (
          <Slice key={name} name={name} experiment={experiment} trials={completed} onTrial={onTrial} />
        ))}
      </div>
    </>
  );
}

/** The axis of a searched range reaches from bound to bound, also where no trial has been yet. */
function axisBounds(parameter: Experiment["search_space"][string] | undefined): {
  min?: number;
  max?: number;
} {
  if (parameter === undefined || !("low" in parameter) || parameter.low === parameter.high) return {};
  return { min: parameter.low, max: parameter.high };
}

function Slice({ name, experiment, trials, onTrial }: SliceProps & { name: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const parameter = experiment.search_space[name];
  const log = parameter !== undefined && "log" in parameter && parameter.log === true;
  const choices = useMemo(
    () => (parameter !== undefined && "choices" in parameter ? parameter.choices.map(String) : null),
    [parameter],
  );
  const bounds = useMemo(() => axisBounds(parameter), [parameter]);
  const best = experiment.best?.number;
  const points = useMemo(
    () =>
      trials
        .filter((trial) => trial.params[name] !== undefined)
        .map((trial) => ({ number: trial.number, value: trial.value ?? 0, param: trial.params[name] })),
    [trials, name],
  );
  const option = useMemo(
    () =>
      (colours: ChartColours): ChartOption => {
        const common = axis(colours);
        const range = focusRange(
          points.map((point) => point.value),
          experiment.direction,
        );
        const margin = range && range.max > range.min ? (range.max - range.min) * 0.06 : 0.001;
        const place = (point: (typeof points)[number]) => [
          choices ? String(point.param) : Number(point.param),
          point.value,
          point.number,
        ];
        const labels = {
          ...common.axisLabel,
          formatter: (value: number | string) => format.scalar(value),
        };
        return {
          grid: {
            left: 4,
            right: 12,
            top: 8,
            bottom: 4,
            outerBoundsMode: "same",
            outerBoundsContain: "axisLabel",
          },
          tooltip: {
            ...tooltip(colours),
            trigger: "item",
            formatter: (item) => {
              const value = Array.isArray(item) ? undefined : item.value;
              if (!Array.isArray(value)) return "";
              const [param, shown, number] = value as [unknown, number, number];
              return escapeHtml(
                `${t("charts.trial", { number: format.count(number) })} · ${format.scalar(param)} · ${format.metric(shown)}`,
              );
            },
          },
          xAxis: choices
            ? { ...common, type: "category", data: choices, axisLabel: labels }
            : {
                ...common,
                type: log ? "log" : "value",
                scale: true,
                ...bounds,
                splitLine: { show: false },
                axisLabel: labels,
              },
          yAxis: {
            ...common,
            type: "value",
            scale: true,
            splitNumber: 3,
            ...(range ? { min: range.min - margin, max: range.max + margin } : {}),
            axisLabel: {
              ...common.axisLabel,
              showMinLabel: false,
              showMaxLabel: false,
              formatter: (value: number) => format.metric(value),
            },
          },
          series: [
            {
              type: "scatter",
              symbolSize: 6,
              clip: false,
              data: points.filter((point) => point.number !== best).map(place),
              itemStyle: { color: colours.series[0], opacity: 0.65 },
            },
            {
              type: "scatter",
              symbolSize: 11,
              clip: false,
              symbol: "diamond",
              data: points.filter((point) => point.number === best).map(place),
              itemStyle: { color: colours.series[1] },
              z: 5,
            },
          ],
        };
      },
    [points, choices, bounds, log, best, experiment.direction, format, t],
  );
  return (
    <Figure
      title={name}
      chart={<LazyChart option={option} height={HEIGHT} onPick={onTrial} />}
      table={
        <VirtualTable
          label={t("charts.slice", { name })}
          height={HEIGHT}
          rows={points}
          rowKey={(point) => point.number}
          columns={[
            {
              key: "number",
              title: t("fields.trial"),
              width: 70,
              numeric: true,
              render: (p) => format.count(p.number),
            },
            {
              key: "param",
              title: name,
              width: 110,
              numeric: !choices,
              render: (p) => format.scalar(p.param),
            },
            {
              key: "value",
              title: t(`metrics.${experiment.metric}`),
              width: 110,
              numeric: true,
              render: (p) => format.metric(p.value),
            },
          ]}
        />
      }
    />
  );
}
