import { compact, flag, oneOf, positive, someOf, text } from "@/ui/search";

export const TRIAL_STATES = [
  "running",
  "completed",
  "failed",
  "pruned",
  "stopped",
  "queued",
  "leased",
] as const;

/** What of an experiment's page stands in its address. */
export function readSearch(search: Record<string, unknown>) {
  return compact({
    tab: oneOf(search, "tab", ["trials", "parameters", "settings"]),
    /** A column of the trials, and its direction. */
    sort: text(search, "sort"),
    desc: flag(search, "desc"),
    states: someOf(search, "states", TRIAL_STATES),
    /** The trial that is looked at. */
    trial: positive(search, "trial"),
  });
}

export type ExperimentSearch = ReturnType<typeof readSearch>;
