import { describe, expect, it } from "vitest";
import type { Experiment, Trial, TrialResult } from "@/api/generated";
import { bestSoFar, budgetUse, focusRange, improvement } from "./progress";

function trial(number: number, value: number | null, state: Trial["state"] = "completed"): Trial {
  return {
    id: `t${number}`,
    experiment_id: "e",
    number,
    state,
    source: "tpe",
    value,
    params: {},
    attempt: 1,
    created_at: "2026-01-01T00:00:00Z",
  };
}

const result = (value: number): TrialResult => ({ number: 1, trial_id: "t", value, params: {}, run_id: "r" });

describe("bestSoFar", () => {
  it("keeps the best in the order of the numbers, whatever the order of the list", () => {
    const points = bestSoFar([trial(3, 0.7), trial(1, 0.8), trial(2, 0.9)], "maximize");
    expect(points.map((point) => [point.number, point.best])).toEqual([
      [1, 0.8],
      [2, 0.9],
      [3, 0.9],
    ]);
  });

  it("counts a smaller value as better where the metric is minimised", () => {
    expect(bestSoFar([trial(1, 3), trial(2, 2), trial(3, 5)], "minimize").map((point) => point.best)).toEqual(
      [3, 2, 2],
    );
  });

  it("leaves out what has not completed", () => {
    const trials = [trial(1, null, "running"), trial(2, 0.5, "failed"), trial(3, 0.6)];
    expect(bestSoFar(trials, "maximize")).toEqual([{ number: 3, value: 0.6, best: 0.6 }]);
  });
});

describe("improvement", () => {
  const of = (best: number, baseline: number, direction: Experiment["direction"]) =>
    improvement({ best: result(best), baseline: result(baseline), direction });

  it("is positive when the winner is better, in either direction", () => {
    expect(of(0.9, 0.8, "maximize")).toBeCloseTo(0.125);
    expect(of(0.8, 1, "minimize")).toBeCloseTo(0.2);
    expect(of(1.2, 1, "minimize")).toBeCloseTo(-0.2);
  });

  it("is relative to the size of a negative baseline", () => {
    expect(of(-1, -2, "maximize")).toBeCloseTo(0.5);
  });

  it("is unknown without a baseline, or against zero", () => {
    expect(improvement({ best: result(1), baseline: null, direction: "maximize" })).toBeNull();
    expect(of(1, 0, "maximize")).toBeNull();
  });
});

describe("focusRange", () => {
  const good = [0.9, 0.91, 0.92, 0.9, 0.91, 0.93, 0.92, 0.9];

  it("cuts far worse values and says how many", () => {
    const range = focusRange([...good, 0.1], "maximize");
    expect(range?.outside).toBe(1);
    expect(range?.min).toBeGreaterThan(0.8);
    expect(range?.max).toBe(0.93);
  });

  it("never cuts the good side", () => {
    const range = focusRange([...good, 0.1], "minimize");
    expect(range).toEqual({ min: 0.1, max: 0.93, outside: 0 });
  });

  it("shows everything while there are few values, and nothing for none", () => {
    expect(focusRange([0.9, 0.1], "maximize")).toEqual({ min: 0.1, max: 0.9, outside: 0 });
    expect(focusRange([], "maximize")).toBeNull();
  });
});

describe("budgetUse", () => {
  it("is the larger share of trials and time, and counts failed and pruned trials", () => {
    const trials = { total: 10, completed: 2, pruned: 1, failed: 1 };
    expect(budgetUse({ trials, budget: { max_seconds: 100 }, elapsed_seconds: 50 })).toEqual({
      done: 4,
      share: 0.5,
    });
    expect(budgetUse({ trials, budget: {}, elapsed_seconds: 50 }).share).toBeCloseTo(0.4);
  });

  it("is never above one, and unknown without a limit", () => {
    expect(budgetUse({ trials: { total: 2, completed: 5 }, budget: {}, elapsed_seconds: 0 }).share).toBe(1);
    expect(budgetUse({ trials: { total: null }, budget: {}, elapsed_seconds: 9 }).share).toBeNull();
  });
});
