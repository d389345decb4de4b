import { describe, expect, it } from "vitest";
import { SUGGESTION } from "../../../test/data";
import {
  columnOverrides,
  fieldOfPointer,
  suggestedForm,
  type TuneForm,
  toRequest,
  tuneSchema,
} from "./form-model";

const context = { datasetId: "d1", target: "income", task: "binary", suggestion: SUGGESTION } as const;

function faults(change: Partial<TuneForm>): Record<string, string> {
  const result = tuneSchema.safeParse({ ...suggestedForm(SUGGESTION), ...change });
  return Object.fromEntries(
    (result.error?.issues ?? []).map((issue) => [issue.path.join("."), issue.message]),
  );
}

describe("suggestedForm", () => {
  it("is what the server suggests, without the target, and has no faults", () => {
    const form = suggestedForm(SUGGESTION);
    expect(form).toMatchObject({
      metric: "auc",
      maxTrials: "50",
      maxMinutes: "10",
      parallelism: "2",
      algorithm: "tpe",
    });
    expect(form.columns).toEqual([
      { name: "age", used: true, kind: "numeric" },
      { name: "job", used: true, kind: "categorical" },
      { name: "note", used: false, kind: "text" },
    ]);
    expect(faults({})).toEqual({});
  });

  it("keeps what was decided about columns before", () => {
    const form = suggestedForm(SUGGESTION, [{ name: "age", used: false, kind: "categorical" }]);
    expect(form.columns[0]).toEqual({ name: "age", used: false, kind: "categorical" });
    expect(form.columns[1]?.used).toBe(true);
  });

  it("leaves a limit empty that is not suggested", () => {
    expect(suggestedForm({ ...SUGGESTION, budget: { max_trials: 20 } }).maxMinutes).toBe("");
  });
});

describe("what each worker is given", () => {
  it("is not sent where it is left to the server", () => {
    expect(toRequest(suggestedForm(SUGGESTION), context)).not.toHaveProperty("worker");
  });

  it("is sent as far as it is given", () => {
    const form = { ...suggestedForm(SUGGESTION), workerMemory: "1.5", workerGpu: "0" };
    expect(toRequest(form, context).worker).toEqual({ memory_bytes: 3 * 2 ** 29, gpu: 0 });
  });

  it("is checked before it is sent", () => {
    expect(faults({ workerCpu: "0", workerMemory: "2Gi", workerGpu: "0.5" })).toEqual({
      workerCpu: "range",
      workerMemory: "number",
      workerGpu: "integer",
    });
  });

  it("is what a pointer of the server means", () => {
    const form = suggestedForm(SUGGESTION);
    expect(fieldOfPointer("/worker/memory_bytes", form)).toBe("workerMemory");
    // No one field is at fault when no node takes the whole: the sentence stands above the button.
    expect(fieldOfPointer("/worker", form)).toBeNull();
  });
});

describe("toRequest", () => {
  it("sends what is shown, and of the columns what was decided against the suggestion", () => {
    const form = suggestedForm(SUGGESTION);
    const request = toRequest({ ...form, maxMinutes: "1.5", seed: "7", name: " mine " }, context);
    expect(request).toEqual({
      dataset_id: "d1",
      target: "income",
      task: "binary",
      metric: "auc",
      algorithm: "tpe",
      search_space: {
        num_leaves: { type: "int", low: 8, high: 256, log: true },
        learning_rate: { type: "float", low: 0.01, high: 0.3, log: true },
        boosting: { type: "categorical", choices: ["gbdt", "goss"] },
        bagging_freq: { value: 1 },
      },
      columns: {},
      split: { validation: 0.2, holdout: 0.2 },
      parallelism: 2,
      baseline: true,
      budget: { max_trials: 50, max_seconds: 90 },
      name: "mine",
      seed: 7,
    });
  });

  it("leaves the name and the seed to the server where none is given, and takes an empty limit for none", () => {
    const request = toRequest({ ...suggestedForm(SUGGESTION), maxTrials: " " }, context);
    expect(request).not.toHaveProperty("name");
    expect(request).not.toHaveProperty("seed");
    expect(request.budget).toEqual({ max_trials: null, max_seconds: 600 });
  });

  it("keeps a seed of zero", () => {
    expect(toRequest({ ...suggestedForm(SUGGESTION), seed: "0" }, context).seed).toBe(0);
  });
});

describe("columnOverrides", () => {
  it("says which columns come in, which stay out, and which are of another kind", () => {
    const overrides = columnOverrides(
      [
        { name: "age", used: false, kind: "numeric" },
        { name: "job", used: true, kind: "text" },
        { name: "note", used: true, kind: "categorical" },
      ],
      SUGGESTION,
    );
    expect(overrides).toEqual({
      age: { role: "ignored" },
      job: { kind: "text" },
      note: { kind: "categorical", role: "feature" },
    });
  });
});

describe("tuneSchema", () => {
  it.each([
    [{ maxTrials: "many" }, { maxTrials: "number" }],
    [{ maxTrials: "1.5" }, { maxTrials: "integer" }],
    [{ maxTrials: "0" }, { maxTrials: "range" }],
    [{ maxTrials: "", maxMinutes: "" }, { maxTrials: "atLeastOne" }],
    [{ maxMinutes: "-1" }, { maxMinutes: "range" }],
    [{ parallelism: "" }, { parallelism: "required" }],
    [{ seed: "2147483648" }, { seed: "range" }],
    [{ validationPercent: "95" }, { validationPercent: "range" }],
    [{ columns: [{ name: "age", used: false, kind: "numeric" as const }] }, { columns: "atLeastOne" }],
  ])("%j has the faults %j", (change, expected) => {
    expect(faults(change)).toEqual(expected);
  });

  it("names the field of a hyperparameter", () => {
    const space = suggestedForm(SUGGESTION).space.map((parameter, index) =>
      index === 1 ? { ...parameter, low: "5" } : parameter,
    );
    expect(faults({ space })).toEqual({ "space.1.high": "order" });
  });
});

describe("fieldOfPointer", () => {
  const form = suggestedForm(SUGGESTION);
  it.each([
    ["/name", "name"],
    ["/budget/max_seconds", "maxMinutes"],
    ["/columns/job/kind", "columns.1.kind"],
    ["/columns/note/role", "columns.2.used"],
    ["/columns/job", "columns.1.kind"],
    ["/search_space/learning_rate/high", "space.1.high"],
    ["/search_space/learning_rate/float/low", "space.1.low"],
    ["/search_space/num_leaves", "space.0.low"],
    ["/search_space/boosting", "space.2.choices"],
    ["/search_space/bagging_freq", "space.3.value"],
    ["/search_space/unknown", null],
    ["/columns/unknown", null],
    ["/something", null],
  ])("%s is the field %s", (pointer, field) => {
    expect(fieldOfPointer(pointer, form)).toBe(field);
  });
});
