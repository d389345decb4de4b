import { z } from "zod";
import type { Column, Dtype, ExperimentCreate, Kind, Metric, Suggestion, Task } from "@/api/generated";
import { pointerParts } from "@/api/problem";
import {
  checkParameter,
  type FieldErrorKey,
  formToParameter,
  type ParameterForm,
  parameterToForm,
  parseNumber,
} from "./space-form";

/** What may be made of a column, by how it is stored. */
export const KINDS_OF: Record<Dtype, readonly Kind[]> = {
  boolean: ["boolean", "categorical"],
  int64: ["numeric", "categorical"],
  float64: ["numeric", "categorical"],
  string: ["categorical", "text"],
  timestamp: ["datetime"],
};

export interface ColumnForm {
  name: string;
  used: boolean;
  kind: Kind;
}

export interface TuneForm {
  name: string;
  metric: Metric;
  maxTrials: string;
  maxMinutes: string;
  algorithm: string;
  parallelism: string;
  seed: string;
  validationPercent: string;
  holdoutPercent: string;
  baseline: boolean;
  /** What each worker is given, where it can be chosen; empty leaves it to the server. Memory in GiB. */
  workerCpu: string;
  workerMemory: string;
  workerGpu: string;
  columns: ColumnForm[];
  space: ParameterForm[];
}

// The page may not make code out of text, which zod would otherwise try in order to be faster.
z.config({ jitless: true });

const fault = (key: FieldErrorKey): string => key;

interface NumberRule {
  min: number;
  max: number;
  integer?: boolean;
  optional?: boolean;
}

function numberText({ min, max, integer = false, optional = false }: NumberRule) {
  return z.string().superRefine((text, context) => {
    const add = (key: FieldErrorKey) => context.addIssue({ code: "custom", message: fault(key) });
    if (text.trim() === "") {
      if (!optional) add("required");
      return;
    }
    const value = parseNumber(text);
    if (value === null) add("number");
    else if (integer && !Number.isInteger(value)) add("integer");
    else if (value < min || value > max) add("range");
  });
}

/** The faults that can be seen without asking the server; messages are keys of `tune.errors`. */
export const tuneSchema = z
  .object({
    name: z.string().max(128, fault("range")),
    metric: z.string(),
    maxTrials: numberText({ min: 1, max: 100_000, integer: true, optional: true }),
    maxMinutes: numberText({ min: 0.01, max: 43_200, optional: true }),
    algorithm: z.string(),
    parallelism: numberText({ min: 1, max: 1000, integer: true }),
    seed: numberText({ min: 0, max: 2 ** 31 - 1, integer: true, optional: true }),
    validationPercent: numberText({ min: 1, max: 89 }),
    holdoutPercent: numberText({ min: 1, max: 89 }),
    baseline: z.boolean(),
    workerCpu: numberText({ min: 0.001, max: 1024, optional: true }),
    workerMemory: numberText({ min: 0.03125, max: 1_048_576, optional: true }),
    workerGpu: numberText({ min: 0, max: 64, integer: true, optional: true }),
    columns: z.array(z.object({ name: z.string(), used: z.boolean(), kind: z.string() })),
    space: z.array(
      z
        .object({
          name: z.string(),
          origin: z.enum(["int", "float", "categorical", "fixed"]),
          searched: z.boolean(),
          low: z.string(),
          high: z.string(),
          step: z.string(),
          log: z.boolean(),
          choices: z.string(),
          value: z.string(),
        })
        .superRefine((parameter, context) => {
          const found = checkParameter(parameter);
          if (found) context.addIssue({ code: "custom", path: [found.field], message: fault(found.key) });
        }),
    ),
  })
  .superRefine((form, context) => {
    if (form.maxTrials.trim() === "" && form.maxMinutes.trim() === "") {
      context.addIssue({ code: "custom", path: ["maxTrials"], message: fault("atLeastOne") });
    }
    if (!form.columns.some((column) => column.used)) {
      context.addIssue({ code: "custom", path: ["columns"], message: fault("atLeastOne") });
    }
  });

/** The columns a model could be made of: all but the target. */
export function usableColumns(suggestion: Suggestion): Column[] {
  return suggestion.columns.filter((column) => column.role !== "target");
}

/** The form as the server suggests it; the columns a person has already decided about stay as decided. */
export function suggestedForm(suggestion: Suggestion, decided: readonly ColumnForm[] = []): TuneForm {
  const before = new Map(decided.map((column) => [column.name, column]));
  return {
    name: "",
    metric: suggestion.metric,
    maxTrials: suggestion.budget.max_trials == null ? "" : String(suggestion.budget.max_trials),
    maxMinutes:
      suggestion.budget.max_seconds == null
        ? ""
        : String(Number((suggestion.budget.max_seconds / 60).toFixed(2))),
    algorithm: "tpe",
    parallelism: String(suggestion.parallelism),
    seed: "",
    validationPercent: "20",
    holdoutPercent: "20",
    baseline: true,
    workerCpu: "",
    workerMemory: "",
    workerGpu: "",
    columns: usableColumns(suggestion).map(
      (column) =>
        before.get(column.name) ?? {
          name: column.name,
          used: (column.role ?? "feature") === "feature",
          kind: column.kind,
        },
    ),
    space: Object.entries(suggestion.search_space).map(([name, parameter]) =>
      parameterToForm(name, parameter),
    ),
  };
}

/** What the person decided about columns against the suggestion. */
export function columnOverrides(
  columns: readonly ColumnForm[],
  suggestion: Suggestion,
): NonNullable<ExperimentCreate["columns"]> {
  const overrides: NonNullable<ExperimentCreate["columns"]> = {};
  const suggested = new Map(suggestion.columns.map((column) => [column.name, column]));
  for (const column of columns) {
    const inferred = suggested.get(column.name);
    if (!inferred) continue;
    const wasUsed = (inferred.role ?? "feature") === "feature";
    const change = {
      ...(column.kind === inferred.kind ? {} : { kind: column.kind }),
      ...(column.used === wasUsed ? {} : { role: column.used ? ("feature" as const) : ("ignored" as const) }),
    };
    if (Object.keys(change).length > 0) overrides[column.name] = change;
  }
  return overrides;
}

/** The request that a form without faults stands for. What is shown is what is sent. */
export function toRequest(
  form: TuneForm,
  context: { datasetId: string; target: string; task: Task; suggestion: Suggestion },
): ExperimentCreate {
  const number = (text: string) => (text.trim() === "" ? null : Number(text));
  const minutes = number(form.maxMinutes);
  const name = form.name.trim();
  const seed = number(form.seed);
  return {
    dataset_id: context.datasetId,
    target: context.target,
    task: context.task,
    metric: form.metric,
    algorithm: form.algorithm,
    search_space: Object.fromEntries(
      form.space.map((parameter) => [parameter.name, formToParameter(parameter)]),
    ),
    columns: columnOverrides(form.columns, context.suggestion),
    split: { validation: Number(form.validationPercent) / 100, holdout: Number(form.holdoutPercent) / 100 },
    parallelism: Number(form.parallelism),
    baseline: form.baseline,
    budget: { max_trials: number(form.maxTrials), max_seconds: minutes === null ? null : minutes * 60 },
    ...(name === "" ? {} : { name }),
    ...(seed === null ? {} : { seed }),
    ...workerOf(number(form.workerCpu), number(form.workerMemory), number(form.workerGpu)),
  };
}

const GIB = 2 ** 30;

function workerOf(
  cpu: number | null,
  memory: number | null,
  gpu: number | null,
): Pick<ExperimentCreate, "worker"> {
  if (cpu === null && memory === null && gpu === null) return {};
  return {
    worker: {
      ...(cpu === null ? {} : { cpu }),
      ...(memory === null ? {} : { memory_bytes: Math.round(memory * GIB) }),
      ...(gpu === null ? {} : { gpu }),
    },
  };
}

const SIMPLE: Record<string, string> = {
  "/target": "target",
  "/task": "task",
  "/name": "name",
  "/metric": "metric",
  "/algorithm": "algorithm",
  "/parallelism": "parallelism",
  "/seed": "seed",
  "/columns": "columns",
  "/worker/cpu": "workerCpu",
  "/worker/memory_bytes": "workerMemory",
  "/worker/gpu": "workerGpu",
  "/budget/max_trials": "maxTrials",
  "/budget/max_seconds": "maxMinutes",
  "/split/validation": "validationPercent",
  "/split/holdout": "holdoutPercent",
};

/** The field of the form that a problem's pointer means; null when there is none. */
export function fieldOfPointer(pointer: string, form: Pick<TuneForm, "columns" | "space">): string | null {
  const simple = SIMPLE[pointer];
  if (simple) return simple;
  const [root, name, ...rest] = pointerParts(pointer);
  if (name === undefined) return null;
  if (root === "columns") {
    const index = form.columns.findIndex((column) => column.name === name);
    return index < 0 ? null : `columns.${index}.${rest[0] === "role" ? "used" : "kind"}`;
  }
  if (root === "search_space") {
    const index = form.space.findIndex((parameter) => parameter.name === name);
    const parameter = form.space[index];
    if (!parameter) return null;
    // A tagged union's pointer may name the tag between the parameter and its field.
    const field = (["low", "high", "step", "choices", "value"] as const).find((each) => rest.includes(each));
    const first = !parameter.searched ? "value" : parameter.origin === "categorical" ? "choices" : "low";
    return `space.${index}.${field ?? first}`;
  }
  return root === "split" ? "holdoutPercent" : null;
}
