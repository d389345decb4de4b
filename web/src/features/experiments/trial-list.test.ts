import { describe, expect, it } from "vitest";
import { makeExperiment, makeTrial } from "../../../test/data";
import { arrange, defaultView, searchedParameters, type TrialView } from "./trial-list";

const view = (sort: string, descending = false, states: TrialView["states"] = []): TrialView => ({
  sort,
  descending,
  states,
});
const numbers = (...args: Parameters<typeof arrange>) => arrange(...args).map((trial) => trial.number);

const trials = [
  makeTrial(1, { value: 0.8, params: { num_leaves: 100, boosting: "goss" } }),
  makeTrial(2, { value: null, state: "failed", params: { num_leaves: 9, boosting: "gbdt" } }),
  makeTrial(3, { value: 0.9, params: { num_leaves: 31, boosting: "gbdt" } }),
  makeTrial(4, { value: null, state: "running", params: { num_leaves: 31 } }),
];

describe("arrange", () => {
  it("sorts by value in either direction, with those that have none last", () => {
    expect(numbers(trials, view("value", true))).toEqual([3, 1, 2, 4]);
    expect(numbers(trials, view("value"))).toEqual([1, 3, 2, 4]);
  });

  it("sorts parameters as numbers or as texts, ties by number", () => {
    expect(numbers(trials, view("param:num_leaves"))).toEqual([2, 3, 4, 1]);
    expect(numbers(trials, view("param:boosting", true))).toEqual([1, 2, 3, 4]);
    expect(numbers(trials, view("param:unknown"))).toEqual([1, 2, 3, 4]);
  });

  it("keeps only the states asked for", () => {
    expect(numbers(trials, view("number", true, ["failed", "running"]))).toEqual([4, 2]);
  });

  it("leaves the list it was given as it is", () => {
    const before = [...trials];
    arrange(trials, view("number", true));
    expect(trials).toEqual(before);
  });
});

describe("defaultView", () => {
  it("shows the newest first while trials arrive, and then the best first", () => {
    expect(defaultView(false, "maximize")).toEqual(view("number", true));
    expect(defaultView(true, "maximize")).toEqual(view("value", true));
    expect(defaultView(true, "minimize")).toEqual(view("value", false));
  });
});

describe("searchedParameters", () => {
  it("leaves out what is fixed", () => {
    expect(searchedParameters(makeExperiment().search_space)).toEqual(["num_leaves", "boosting"]);
  });
});
