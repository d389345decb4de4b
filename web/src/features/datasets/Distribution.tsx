import { Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ColumnProfile } from "@/api/generated";
import { formatCellTime } from "@/ui/format";
import { useFormat } from "@/ui/use-format";
import classes from "./Datasets.module.css";

const WIDTH = 120;
const HEIGHT = 26;

/** A column at a glance: the histogram of numbers and times, the most frequent of other values. */
export function Distribution({ profile }: { profile: ColumnProfile }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { histogram } = profile;
  if (histogram && histogram.counts.length > 0) {
    const peak = Math.max(...histogram.counts, 1);
    const step = WIDTH / histogram.counts.length;
    const time = typeof profile.min === "string";
    const edge = (index: number) => {
      const value = histogram.edges[index] ?? 0;
      return time
        ? formatCellTime(format.language, new Date(value * 1000).toISOString())
        : format.number(value);
    };
    const fullest = histogram.counts.indexOf(peak);
    return (
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width={WIDTH}
        height={HEIGHT}
        role="img"
        aria-label={t("datasets.histogram", {
          from: edge(fullest),
          to: edge(fullest + 1),
          rows: format.count(peak),
        })}
      >
        {histogram.counts.map((count, index) => {
          const height = count === 0 ? 0 : Math.max(1, (count / peak) * (HEIGHT - 2));
          return (
            <rect
              key={histogram.edges[index]}
              x={index * step + 0.5}
              y={HEIGHT - height}
              width={Math.max(1, step - 1)}
              height={height}
              fill="var(--melon-bar)"
            >
              <title>
                {t("datasets.bin", { from: edge(index), to: edge(index + 1), rows: format.count(count) })}
              </title>
            </rect>
          );
        })}
      </svg>
    );
  }
  const top = (profile.top ?? []).slice(0, 3);
  if (top.length === 0) return null;
  const present = Math.max(1, profile.count - profile.missing);
  return (
    <div className={classes.top}>
      {top.map(({ value, count }) => (
        <Tooltip key={value} label={t("datasets.topValue", { value, rows: format.count(count) })}>
          <div className={classes.topRow}>
            <span className={classes.topValue}>{value}</span>
            <span className={classes.topShare}>{format.percent(count / present, 0)}</span>
          </div>
        </Tooltip>
      ))}
    </div>
  );
}
