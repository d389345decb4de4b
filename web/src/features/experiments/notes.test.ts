import { describe, expect, it } from "vitest";
import { makeExperiment } from "../../../test/data";
import { notesOf } from "./notes";

const about = (change: Parameters<typeof makeExperiment>[0]) =>
  notesOf(makeExperiment(change)).map((note) => note.about);
const { split } = makeExperiment();

describe("notesOf", () => {
  it("tells of rows without a target from the beginning", () => {
    expect(about({ split: { ...split, excluded: 9 } })).toEqual(["excluded"]);
    expect(about({ split: { ...split, excluded: 0 } })).toEqual([]);
  });

  it("tells of a winner only once the experiment has ended", () => {
    const best = {
      number: 3,
      value: 0.9,
      params: {},
      run_id: "run-3",
      trial_id: "trial-3",
      holdout_value: null,
    };
    expect(about({ state: "running", best })).toEqual([]);
    expect(about({ state: "completed", best })).toEqual(["notScored"]);
    expect(about({ state: "completed", best: { ...best, holdout_value: 0.8 } })).toEqual([]);
    expect(about({ state: "completed", best: null })).toEqual(["noWinner"]);
    expect(about({ state: "stopped", best: null })).toEqual([]);
  });
});
