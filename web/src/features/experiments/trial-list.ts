import type { Direction, Trial } from "@/api/generated";

/** How the list of trials is shown; part of the page's address. */
export interface TrialView {
  /** `number`, `value`, `duration`, or `param:NAME`. */
  sort: string;
  descending: boolean;
  /** Only trials in these states; all when empty. */
  states: readonly Trial["state"][];
}

/** The view before anyone chose one: the newest first while trials arrive, the best first afterwards. */
export function defaultView(ended: boolean, direction: Direction): TrialView {
  return ended
    ? { sort: "value", descending: direction === "maximize", states: [] }
    : { sort: "number", descending: true, states: [] };
}

function sortKey(trial: Trial, sort: string): number | string | boolean | null {
  if (sort === "number") return trial.number;
  if (sort === "value") return trial.value ?? null;
  if (sort === "duration") return trial.duration_seconds ?? null;
  if (sort.startsWith("param:")) return trial.params[sort.slice(6)] ?? null;
  return null;
}

function compare(one: number | string | boolean, other: number | string | boolean): number {
  if (typeof one === "string" || typeof other === "string") return String(one).localeCompare(String(other));
  return Number(one) - Number(other);
}

/** Trials of a view in its order. What has no value stands last in either direction; ties go by number. */
export function arrange(trials: readonly Trial[], view: TrialView): Trial[] {
  const shown =
    view.states.length === 0 ? [...trials] : trials.filter((trial) => view.states.includes(trial.state));
  const sign = view.descending ? -1 : 1;
  return shown.sort((one, other) => {
    const a = sortKey(one, view.sort);
    const b = sortKey(other, view.sort);
    if (a === null || b === null) {
      if (a === null && b === null) return one.number - other.number;
      return a === null ? 1 : -1;
    }
    return sign * compare(a, b) || one.number - other.number;
  });
}

/** The hyperparameters whose values differ between trials, in the order of the search space. */
export function searchedParameters(space: Record<string, unknown>): string[] {
  return Object.entries(space)
    .filter(([, parameter]) => typeof parameter === "object" && parameter !== null && "type" in parameter)
    .map(([name]) => name);
}
