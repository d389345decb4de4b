import { useTranslation } from "react-i18next";
import type { Metric } from "@/api/generated";

/** The metrics that trials and versions are compared by; a run may hold other series beside them. */
export const METRICS = [
  "auc",
  "logloss",
  "accuracy",
  "f1_macro",
  "rmse",
  "mae",
  "r2",
] as const satisfies readonly Metric[];

/** What a series is called: a metric in the language of the page, any other by its own name. */
export function useSeriesName(): (name: string) => string {
  const { t } = useTranslation();
  return (name) => {
    const known = METRICS.find((metric) => metric === name);
    return known ? t(`metrics.${known}`) : name;
  };
}
