import { Center, Text } from "@mantine/core";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment, Trial } from "@/api/generated";
import { Figure, type LegendEntry } from "@/ui/chart/Figure";
import { LazyChart } from "@/ui/chart/LazyChart";
import { axis, type ChartColours, type ChartOption, escapeHtml, tooltip } from "@/ui/chart/types";
import { useFormat } from "@/ui/use-format";
import { VirtualTable } from "@/ui/VirtualTable";
import { bestSoFar, focusRange } from "./progress";

const HEIGHT = 240;

interface ProgressChartProps {
  experiment: Experiment;
  trials: Trial[];
  onTrial: (number: number) => void;
}

/** Every trial's value in the order of the search, the best so far as a line, the defaults as a level. */
export function ProgressChart({ experiment, trials, onTrial }: ProgressChartProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { direction, metric } = experiment;
  const baseline = experiment.baseline?.value ?? null;
  const ended = isFinal(experiment);
  const points = useMemo(() => bestSoFar(trials, direction), [trials, direction]);
  const running = useMemo(
    () => trials.filter((trial) => trial.state === "running" && trial.last_value != null),
    [trials],
  );
  const range = useMemo(() => {
    const values = points.map((point) => point.value);
    return focusRange(baseline === null ? values : [...values, baseline], direction);
  }, [points, baseline, direction]);
  const name = t(`metrics.${metric}`);

  const option = useMemo(
    () =>
      (colours: ChartColours): ChartOption => {
        const common = axis(colours);
        const margin =
          range && range.max > range.min
            ? (range.max - range.min) * 0.06
            : Math.abs(range?.max ?? 1) * 0.01 || 0.01;
        const newest = trials.at(-1)?.number ?? 0;
        const last = ended ? newest : Math.max(newest, experiment.trials.total ?? 10);
        return {
          grid: {
            left: 8,
            right: 16,
            top: 12,
            bottom: 24,
            outerBoundsMode: "same",
            outerBoundsContain: "axisLabel",
          },
          tooltip: {
            ...tooltip(colours),
            trigger: "item",
            formatter: (item) => {
              const value = Array.isArray(item) ? undefined : item.value;
              if (!Array.isArray(value)) return "";
              const [number, shown] = value as [number, number];
              return escapeHtml(
                `${t("charts.trial", { number: format.count(number) })} · ${format.metric(shown)}`,
              );
            },
          },
          xAxis: {
            ...common,
            type: "value",
            min: 0,
            max: last + 1,
            minInterval: 1,
            name: t("charts.trialNumber"),
            nameLocation: "middle",
            nameGap: 24,
            splitLine: { show: false },
            axisLabel: {
              ...common.axisLabel,
              formatter: (value: number) => (value === 0 || value > last ? "" : format.count(value)),
            },
          },
          yAxis: {
            ...common,
            type: "value",
            scale: true,
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
              type: "line",
              step: "end",
              data: points.map((point) => [point.number, point.best]),
              showSymbol: false,
              silent: true,
              lineStyle: { color: colours.series[1], width: 2 },
              z: 3,
            },
            {
              type: "line",
              data:
                baseline === null
                  ? []
                  : [
                      [0, baseline],
                      [last + 1, baseline],
                    ],
              showSymbol: false,
              silent: true,
              lineStyle: { color: colours.dimmed, type: "dashed", width: 1.5 },
              z: 1,
            },
            {
              type: "scatter",
              symbolSize: points.length > 400 ? 4 : 7,
              data: points.map((point) => [point.number, point.value, point.number]),
              itemStyle: { color: colours.series[0], opacity: points.length > 400 ? 0.6 : 0.9 },
              z: 2,
            },
            {
              type: "scatter",
              symbolSize: 7,
              data: running.map((trial) => [trial.number, trial.last_value ?? 0, trial.number]),
              itemStyle: { color: "transparent", borderColor: colours.series[0], borderWidth: 1.5 },
              z: 2,
            },
          ],
        };
      },
    [points, running, range, baseline, experiment.trials.total, ended, trials, format, t],
  );

  const legend: LegendEntry[] = [
    { label: t("charts.trialValue"), shape: "dot", series: 1 },
    ...(running.length > 0 ? [{ label: t("charts.runningNow"), shape: "ring", series: 1 } as const] : []),
    { label: t("charts.bestSoFar"), shape: "line", series: 2 },
    ...(baseline === null ? [] : [{ label: t("charts.defaults"), shape: "dash" } as const]),
  ];
  const outside = range?.outside ?? 0;
  return (
    <Figure
      title={t("charts.progress", { metric: name })}
      legend={legend}
      note={outside > 0 ? t("charts.outside", { count: outside, value: format.count(outside) }) : null}
      chart={
        points.length === 0 && running.length === 0 ? (
          <Center h={HEIGHT} bg="var(--melon-panel)">
            <Text c="dimmed" size="sm">
              {t(isFinal(experiment) ? "figures.none" : "charts.noTrials")}
            </Text>
          </Center>
        ) : (
          <LazyChart option={option} height={HEIGHT} onPick={onTrial} />
        )
      }
      table={
        <VirtualTable
          label={t("charts.progress", { metric: name })}
          height={HEIGHT}
          rows={points}
          rowKey={(point) => point.number}
          columns={[
            {
              key: "number",
              title: t("fields.trial"),
              width: 120,
              numeric: true,
              render: (p) => format.count(p.number),
            },
            { key: "value", title: name, width: 160, numeric: true, render: (p) => format.metric(p.value) },
            {
              key: "best",
              title: t("charts.bestSoFar"),
              width: 160,
              numeric: true,
              render: (p) => format.metric(p.best),
            },
          ]}
        />
      }
    />
  );
}
