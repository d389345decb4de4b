import { Group, SegmentedControl, Text } from "@mantine/core";
import { type ReactNode, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./Figure.module.css";

export interface LegendEntry {
  label: string;
  shape: "dot" | "ring" | "line" | "dash";
  /** Which of the series' colours; none for grey. */
  series?: 1 | 2 | 3 | 4;
}

interface FigureProps {
  title: string;
  legend?: readonly LegendEntry[];
  /** What must be known to read it. */
  note?: string | null;
  chart: ReactNode;
  table: ReactNode;
}

/** A chart with its legend, and the same values as a table for those who cannot see it. */
export function Figure({ title, legend = [], note, chart, table }: FigureProps) {
  const { t } = useTranslation();
  const id = useId();
  const [view, setView] = useState("chart");
  return (
    <figure className={classes.figure} aria-labelledby={id}>
      <Group justify="space-between" align="center" gap="sm" mb={4}>
        <Group gap="lg" component="figcaption">
          <Text fw={600} id={id} component="span">
            {title}
          </Text>
          {legend.map((entry) => (
            <span key={entry.label} className={classes.entry}>
              <Swatch entry={entry} />
              {entry.label}
            </span>
          ))}
        </Group>
        <SegmentedControl
          size="xs"
          value={view}
          onChange={setView}
          aria-label={t("charts.view", { title })}
          data={[
            { value: "chart", label: t("charts.chart") },
            { value: "table", label: t("charts.table") },
          ]}
        />
      </Group>
      {view === "chart" ? chart : table}
      {note && view === "chart" && (
        <Text size="xs" c="dimmed" mt={4}>
          {note}
        </Text>
      )}
    </figure>
  );
}

function Swatch({ entry }: { entry: LegendEntry }) {
  const colour = entry.series ? `var(--melon-series-${entry.series})` : "var(--mantine-color-dimmed)";
  return (
    <svg width="16" height="10" aria-hidden="true">
      {entry.shape === "dot" && <circle cx="8" cy="5" r="3.5" fill={colour} />}
      {entry.shape === "ring" && <circle cx="8" cy="5" r="3" fill="none" stroke={colour} strokeWidth="1.5" />}
      {(entry.shape === "line" || entry.shape === "dash") && (
        <line
          x1="0"
          x2="16"
          y1="5"
          y2="5"
          stroke={colour}
          strokeWidth="2"
          strokeDasharray={entry.shape === "dash" ? "4 3" : undefined}
        />
      )}
    </svg>
  );
}
