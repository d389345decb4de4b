import { useTranslation } from "react-i18next";
import { isFinal } from "@/api/experiments";
import type { Experiment } from "@/api/generated";
import { Notice } from "@/ui/Notice";

const WAITING: ReadonlySet<Experiment["state"]> = new Set(["queued", "running"]);

/** Why an experiment waits, failed or was stopped, in the server's words. */
export function Reason({ experiment }: { experiment: Experiment }) {
  const { t } = useTranslation();
  if (!experiment.reason) return null;
  return (
    <Notice
      tone={experiment.state === "failed" ? "problem" : isFinal(experiment) ? "note" : "status"}
      title={WAITING.has(experiment.state) ? t("experiments.waiting") : undefined}
    >
      {experiment.reason}
    </Notice>
  );
}
