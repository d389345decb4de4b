import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Experiment, TrialDetail } from "@/api/generated";
import { Figure } from "@/ui/chart/Figure";
import { LazyChart } from "@/ui/chart/LazyChart";
import { axis, type ChartColours, type ChartOption, escapeHtml, tooltip } from "@/ui/chart/types";
import { useFormat } from "@/ui/use-format";
import { VirtualTable } from "@/ui/VirtualTable";

const HEIGHT = 190;

/** The objective while the trial trained. */
export function CurveChart({ experiment, trial }: { experiment: Experiment; trial: TrialDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  const metric = t(`metrics.${experiment.metric}`);
  const points = useMemo(
    () => [...(trial.intermediate ?? [])].sort((one, other) => one[0] - other[0]),
    [trial.intermediate],
  );
  const option = useMemo(
    () =>
      (colours: ChartColours): ChartOption => {
        const common = axis(colours);
        return {
          grid: {
            left: 4,
            right: 12,
            top: 8,
            bottom: 20,
            outerBoundsMode: "same",
            outerBoundsContain: "axisLabel",
          },
          tooltip: {
            ...tooltip(colours),
            trigger: "axis",
            formatter: (items) => {
              const first = Array.isArray(items) ? items[0] : items;
              if (!first || !Array.isArray(first.value)) return "";
              const [step, value] = first.value as [number, number];
              return escapeHtml(
                `${t("charts.step", { step: format.count(step) })} · ${format.metric(value)}`,
              );
            },
          },
          xAxis: {
            ...common,
            type: "value",
            name: t("charts.steps"),
            nameLocation: "middle",
            nameGap: 22,
            min: 0,
            splitLine: { show: false },
            axisLabel: { ...common.axisLabel, formatter: (value: number) => format.count(value) },
          },
          yAxis: {
            ...common,
            type: "value",
            scale: true,
            splitNumber: 3,
            axisLabel: { ...common.axisLabel, formatter: (value: number) => format.metric(value) },
          },
          series: [
            {
              type: "line",
              data: points,
              showSymbol: points.length < 40,
              symbolSize: 4,
              lineStyle: { color: colours.series[0], width: 2 },
              itemStyle: { color: colours.series[0] },
            },
          ],
        };
      },
    [points, format, t],
  );
  return (
    <Figure
      title={t("charts.curve", { metric })}
      chart={<LazyChart option={option} height={HEIGHT} />}
      table={
        <VirtualTable
          label={t("charts.curve", { metric })}
          height={HEIGHT}
          rows={points}
          rowKey={([step]) => step}
          columns={[
            {
              key: "step",
              title: t("charts.steps"),
              width: 120,
              numeric: true,
              render: ([step]) => format.count(step),
            },
            {
              key: "value",
              title: metric,
              width: 160,
              numeric: true,
              render: ([, value]) => format.metric(value),
            },
          ]}
        />
      }
    />
  );
}
