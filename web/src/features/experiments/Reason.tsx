import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment } from "@/api/generated";
import { Notice } from "@/ui/Notice";
import { Said } from "@/ui/Said";
import { useFormat } from "@/ui/use-format";

/** Why an experiment waits, failed or was stopped; the server's sentence where it says more. */
export function Reason({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { budget, phase, reason, state, trials } = experiment;
  if (!reason) return null;
  // Nobody but a person stops an experiment; its winner is then still scored.
  if (state === "stopped" || (state === "running" && phase === "evaluating")) {
    return <Notice tone={isFinal(experiment) ? "note" : "status"}>{t("experiments.stopped")}</Notice>;
  }
  const failed = trials.failed ?? 0;
  const tooMany = failed > (budget.max_failed_trials ?? Number.POSITIVE_INFINITY);
  const title =
    state === "failed"
      ? tooMany
        ? t("experiments.tooManyFailed", {
            value: format.count(failed),
            allowed: format.count(budget.max_failed_trials ?? 0),
          })
        : t("experiments.cannotRun")
      : state === "queued" || state === "running"
        ? t("experiments.waiting")
        : undefined;
  return (
    <Notice tone={state === "failed" ? "problem" : isFinal(experiment) ? "note" : "status"} title={title}>
      <Said>{reason}</Said>
    </Notice>
  );
}
