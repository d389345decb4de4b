import { describe, expect, it } from "vitest";
import { makeExperiment, makeTrial } from "../../../test/data";
import { applyEvents, type LiveEvent, type LiveState, parseEvent } from "./live";

const state = (change: Partial<LiveState> = {}): LiveState => ({
  experiment: makeExperiment(),
  trials: [],
  lastEvent: 0,
  ...change,
});
const trialEvent = (seq: number, ...args: Parameters<typeof makeTrial>): LiveEvent => ({
  seq,
  type: "trial",
  data: makeTrial(...args),
});

describe("applyEvents", () => {
  it("takes the newest of the experiment and of every trial, in the order of the numbers", () => {
    const next = applyEvents(state(), [
      trialEvent(1, 2, { state: "running", value: null }),
      trialEvent(2, 1),
      { seq: 3, type: "experiment", data: makeExperiment({ state: "completed" }) },
      trialEvent(4, 2, { value: 0.95 }),
    ]);
    expect(next.experiment.state).toBe("completed");
    expect(next.trials.map((trial) => [trial.number, trial.value])).toEqual([
      [1, 0.9],
      [2, 0.95],
    ]);
    expect(next.lastEvent).toBe(4);
  });

  it("changes nothing for events that are included already", () => {
    const before = state({ lastEvent: 5, trials: [makeTrial(1)] });
    expect(applyEvents(before, [trialEvent(5, 1, { state: "running", value: null })])).toBe(before);
  });

  it("does not take a finished trial back to running, when the list was read later than the experiment", () => {
    const before = state({ trials: [makeTrial(1, { value: 0.9 })] });
    const next = applyEvents(before, [trialEvent(1, 1, { state: "running", value: null })]);
    expect(next.trials[0]).toMatchObject({ state: "completed", value: 0.9 });
    expect(next.lastEvent).toBe(1);
  });

  it("takes another attempt for newer, and an earlier one for older", () => {
    const before = state({ trials: [makeTrial(1, { state: "running", attempt: 2, value: null })] });
    const next = applyEvents(before, [
      trialEvent(1, 1, { state: "failed", attempt: 1 }),
      trialEvent(2, 1, { state: "leased", attempt: 3, value: null }),
    ]);
    expect(next.trials[0]).toMatchObject({ state: "leased", attempt: 3 });
  });

  it("shows intermediate values of a running trial alone, and no older step over a newer", () => {
    const before = state({
      trials: [makeTrial(1), makeTrial(2, { state: "running", value: null, last_step: 20, last_value: 0.7 })],
    });
    const report = (seq: number, number: number, step: number, value: number): LiveEvent => ({
      seq,
      type: "report",
      data: { trial_id: `trial-${number}`, number, step, value },
    });
    const next = applyEvents(before, [
      report(1, 1, 10, 0.1),
      report(2, 2, 10, 0.2),
      report(3, 2, 30, 0.8),
      report(4, 9, 1, 0),
    ]);
    expect(next.trials[0]?.last_value).toBeUndefined();
    expect(next.trials[1]).toMatchObject({ last_step: 30, last_value: 0.8 });
    expect(next.trials).toHaveLength(2);
  });
});

describe("parseEvent", () => {
  it("reads what it knows and leaves the rest", () => {
    expect(parseEvent('{"seq":1,"type":"trial","data":{"number":1}}')).toMatchObject({
      seq: 1,
      type: "trial",
    });
    expect(parseEvent('{"seq":1,"type":"weather","data":{}}')).toBeNull();
    expect(parseEvent("[]")).toBeNull();
    expect(parseEvent("not json")).toBeNull();
  });
});
