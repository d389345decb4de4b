import { useTranslation } from "react-i18next";
import type { ColumnProfile, Histogram, ValueCount } from "@/api/generated";
import { formatCellTime } from "@/ui/format";
import { useFormat } from "@/ui/use-format";
import classes from "./Datasets.module.css";

const WIDTH = 120;
const HEIGHT = 24;
/** Shades of the most frequent values, the first the darkest; the rest of the values stays empty. */
const SHADES = [1, 0.7, 0.5, 0.35, 0.25];

/** A column at a glance: the histogram of numbers and times, the shares of the most frequent of other values. */
export function Distribution({ profile }: { profile: ColumnProfile }) {
  if (profile.histogram && profile.histogram.counts.length > 0) {
    return <Bars histogram={profile.histogram} time={typeof profile.min === "string"} />;
  }
  const top = profile.top ?? [];
  const present = profile.count - profile.missing;
  if (top.length === 0 || present <= 0) return null;
  return <Shares top={top} present={present} />;
}

function Bars({ histogram, time }: { histogram: Histogram; time: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const peak = Math.max(...histogram.counts, 1);
  const step = WIDTH / histogram.counts.length;
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
      className={classes.plot}
      aria-label={t("datasets.histogram", {
        from: edge(fullest),
        to: edge(fullest + 1),
        rows: format.count(peak),
      })}
    >
      <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} stroke="var(--melon-line)" />
      {histogram.counts.map((count, index) => {
        const height = count === 0 ? 0 : Math.max(1.5, (count / peak) * (HEIGHT - 2));
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

function Shares({ top, present }: { top: ValueCount[]; present: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const first = top[0];
  // Where every value is another, none of them says anything.
  if (!first || first.count <= 1) return null;
  const shown = top.slice(0, SHADES.length);
  const starts = shown.map((_, index) => shown.slice(0, index).reduce((sum, each) => sum + each.count, 0));
  const words = top
    .map(({ value, count }) => t("datasets.topValue", { value, rows: format.percent(count / present) }))
    .join("\n");
  return (
    <span className={classes.shares} title={words}>
      <svg viewBox={`0 0 ${WIDTH} 8`} width={WIDTH} height={8} aria-hidden="true" className={classes.plot}>
        <rect width={WIDTH} height={8} fill="var(--melon-line)" />
        {shown.map(({ value, count }, index) => (
          <rect
            key={value}
            x={((starts[index] ?? 0) / present) * WIDTH}
            width={Math.max(0, (count / present) * WIDTH - 1)}
            height={8}
            fill="var(--melon-bar)"
            opacity={SHADES[index]}
          />
        ))}
      </svg>
      <span className={classes.first}>{first.value}</span>
      <span className={classes.share}>{format.percent(first.count / present, 0)}</span>
    </span>
  );
}
