import type { Direction, Experiment, Trial } from "@/api/generated";

/** Whether `one` is better than `other`. */
export function isBetter(direction: Direction, one: number, other: number): boolean {
  return direction === "maximize" ? one > other : one < other;
}

export interface ProgressPoint {
  number: number;
  value: number;
  /** The best value of this trial and all before it. */
  best: number;
}

/** Completed trials in the order of their numbers, each with the best value up to it. */
export function bestSoFar(trials: readonly Trial[], direction: Direction): ProgressPoint[] {
  const points: ProgressPoint[] = [];
  let best: number | undefined;
  for (const trial of [...trials].sort((one, other) => one.number - other.number)) {
    if (trial.state !== "completed" || trial.value == null) continue;
    if (best === undefined || isBetter(direction, trial.value, best)) best = trial.value;
    points.push({ number: trial.number, value: trial.value, best });
  }
  return points;
}

/**
 * The share by which the winner beats the baseline, positive when it is better whatever the direction.
 * Null where there is nothing to compare, or the baseline is zero.
 */
export function improvement(experiment: Pick<Experiment, "best" | "baseline" | "direction">): number | null {
  const { best, baseline, direction } = experiment;
  if (!best || !baseline || baseline.value === 0) return null;
  const gain = direction === "maximize" ? best.value - baseline.value : baseline.value - best.value;
  return gain / Math.abs(baseline.value);
}

function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const low = Math.floor(place);
  const one = sorted[low] ?? 0;
  return one + ((sorted[low + 1] ?? one) - one) * (place - low);
}

/**
 * The range of values worth showing. A few very bad trials would press all others into one line, so the bad side
 * ends three interquartile ranges beyond the quartile; the good side is never cut.
 *
 * @returns The bounds and how many values lie outside; null when there are none.
 */
export function focusRange(
  values: readonly number[],
  direction: Direction,
): { min: number; max: number; outside: number } | null {
  const sorted = [...values].sort((one, other) => one - other);
  const first = sorted[0];
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) return null;
  const lower = quantile(sorted, 0.25);
  const upper = quantile(sorted, 0.75);
  const reach = 3 * (upper - lower);
  const enough = sorted.length >= 8 && reach > 0;
  const min = enough && direction === "maximize" ? Math.max(first, lower - reach) : first;
  const max = enough && direction === "minimize" ? Math.min(last, upper + reach) : last;
  return { min, max, outside: sorted.filter((value) => value < min || value > max).length };
}

/** How many trials count against the budget, and the share of it that is used; the share is null without a limit. */
export function budgetUse(experiment: Pick<Experiment, "trials" | "budget" | "elapsed_seconds">): {
  done: number;
  share: number | null;
} {
  const { completed = 0, pruned = 0, failed = 0, total } = experiment.trials;
  const done = completed + pruned + failed;
  const shares = [
    total ? done / total : null,
    experiment.budget.max_seconds ? experiment.elapsed_seconds / experiment.budget.max_seconds : null,
  ].filter((share) => share !== null);
  return { done, share: shares.length === 0 ? null : Math.min(1, Math.max(...shares)) };
}
