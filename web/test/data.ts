import type { Column, Dataset, Experiment, Signature, Suggestion, Trial } from "@/api/generated";

const AT = "2026-01-02T03:04:05.000000Z";

export const COLUMNS: Column[] = [
  { name: "age", dtype: "int64", kind: "numeric", role: "feature" },
  { name: "job", dtype: "string", kind: "categorical", role: "feature", nullable: true },
  { name: "note", dtype: "string", kind: "text", role: "ignored", reason: "free_text" },
  { name: "income", dtype: "string", kind: "categorical", role: "target" },
];

export function makeDataset(change: Partial<Dataset> = {}): Dataset {
  return {
    id: "01900000-0000-7000-8000-000000000001",
    name: "people",
    version: 1,
    state: "ready",
    rows: 1000,
    sha256: "a".repeat(64),
    size_bytes: 12_345,
    file_name: "people.csv",
    columns: COLUMNS,
    created_at: AT,
    ...change,
  };
}

export function makeTrial(number: number, change: Partial<Trial> = {}): Trial {
  return {
    id: `trial-${number}`,
    experiment_id: "01900000-0000-7000-8000-000000000002",
    number,
    state: "completed",
    source: number === 1 ? "baseline" : "tpe",
    value: 0.9,
    params: { num_leaves: 31, boosting: "gbdt" },
    run_id: `run-${number}`,
    attempt: 1,
    created_at: AT,
    started_at: AT,
    duration_seconds: 2.5,
    ...change,
  };
}

export function makeExperiment(change: Partial<Experiment> = {}): Experiment {
  return {
    id: "01900000-0000-7000-8000-000000000002",
    name: "people-income",
    state: "running",
    phase: "searching",
    dataset_id: "01900000-0000-7000-8000-000000000001",
    dataset_name: "people",
    dataset_version: 1,
    target: "income",
    task: "binary",
    metric: "auc",
    direction: "maximize",
    trainer: "lightgbm",
    algorithm: "tpe",
    search_space: {
      num_leaves: { type: "int", low: 8, high: 256, log: true },
      boosting: { type: "categorical", choices: ["gbdt", "goss"] },
      bagging_freq: { value: 1 },
    },
    columns: COLUMNS,
    split: { method: "stratified", seed: 1, train: 600, validation: 200, holdout: 200, excluded: 0 },
    seed: 1,
    parallelism: 2,
    trials_per_worker: "auto",
    budget: { max_trials: 50, max_seconds: 600 },
    trials: { total: 50, completed: 0 },
    elapsed_seconds: 3,
    run_id: "01900000-0000-7000-8000-000000000003",
    last_event: 0,
    created_at: AT,
    ...change,
  } as Experiment;
}

export const SUGGESTION: Suggestion = {
  task: "binary",
  metric: "auc",
  metrics: ["auc", "logloss"],
  columns: COLUMNS,
  search_space: {
    num_leaves: { type: "int", low: 8, high: 256, log: true },
    learning_rate: { type: "float", low: 0.01, high: 0.3, log: true },
    boosting: { type: "categorical", choices: ["gbdt", "goss"] },
    bagging_freq: { value: 1 },
  },
  budget: { max_trials: 50, max_seconds: 600 },
  parallelism: 2,
};

export const SIGNATURE: Signature = {
  task: "binary",
  target: { name: "income", dtype: "string", kind: "categorical", role: "target" },
  features: [
    { name: "age", dtype: "int64", kind: "numeric", range: { min: 17, max: 90 } },
    { name: "job", dtype: "string", kind: "categorical", categories: ["clerk", "farmer"], nullable: true },
    { name: "grade", dtype: "int64", kind: "categorical", categories: ["1", "2"] },
    { name: "member", dtype: "boolean", kind: "boolean" },
    { name: "since", dtype: "timestamp", kind: "datetime" },
  ],
  classes: ["<=50K", ">50K"],
  ignored: ["note"],
};
