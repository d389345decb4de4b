import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import * as format from "./format";

/** The functions of `format.ts` in the language of the page. */
export function useFormat() {
  const { i18n } = useTranslation();
  const language = i18n.language;
  return useMemo(
    () => ({
      language,
      count: (value: number) => format.formatCount(language, value),
      metric: (value: number) => format.formatMetric(language, value),
      number: (value: number) => format.formatNumber(language, value),
      scalar: (value: unknown) => format.formatScalar(language, value),
      percent: (share: number, decimals?: number) => format.formatPercent(language, share, decimals),
      signed: (value: number, style: "metric" | "percent") => format.formatSigned(language, value, style),
      bytes: (bytes: number) => format.formatBytes(language, bytes),
      memory: (bytes: number) => format.formatMemory(language, bytes),
      duration: (seconds: number) => format.formatDuration(language, seconds),
      instant: (at: string | number | Date) => format.formatInstant(language, at),
      day: (at: string) => format.formatDay(language, at),
      cellTime: (at: string) => format.formatCellTime(language, at),
    }),
    [language],
  );
}
