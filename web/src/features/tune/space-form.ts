import type { Experiment } from "@/api/generated";

export type Parameter = Experiment["search_space"][string];
export type Scalar = string | number | boolean;

/** A hyperparameter as it stands in the form: texts, because half-typed numbers are no numbers. */
export interface ParameterForm {
  name: string;
  /** What it was suggested as; a fixed one cannot be searched, because its bounds are not known. */
  origin: "int" | "float" | "categorical" | "fixed";
  searched: boolean;
  low: string;
  high: string;
  step: string;
  log: boolean;
  /** Separated by commas. */
  choices: string;
  value: string;
}

export type ParameterField = "low" | "high" | "step" | "choices" | "value";
export type FieldErrorKey =
  | "required"
  | "number"
  | "integer"
  | "order"
  | "logPositive"
  | "stepPositive"
  | "stepWithLog"
  | "choices"
  | "atLeastOne"
  | "range";

/** Reads a number as people type it; null when it is none. Spaces are allowed, a decimal comma is not a point. */
export function parseNumber(text: string): number | null {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : null;
}

/** Reads a value: a number, `true` or `false`, else a text. */
export function parseScalar(text: string): Scalar {
  const trimmed = text.trim();
  if (trimmed === "true") return true;
  if (trimmed === "false") return false;
  return parseNumber(trimmed) ?? trimmed;
}

export function splitChoices(text: string): Scalar[] {
  return text
    .split(",")
    .map((choice) => choice.trim())
    .filter((choice) => choice !== "")
    .map(parseScalar);
}

export function parameterToForm(name: string, parameter: Parameter): ParameterForm {
  const empty = { name, searched: true, low: "", high: "", step: "", log: false, choices: "", value: "" };
  if ("value" in parameter)
    return { ...empty, origin: "fixed", searched: false, value: String(parameter.value) };
  if ("choices" in parameter) {
    return {
      ...empty,
      origin: "categorical",
      choices: parameter.choices.join(", "),
      value: String(parameter.choices[0] ?? ""),
    };
  }
  const step = parameter.type === "int" && parameter.step === 1 ? null : parameter.step;
  return {
    ...empty,
    origin: parameter.type,
    low: String(parameter.low),
    high: String(parameter.high),
    step: step == null ? "" : String(step),
    log: parameter.log ?? false,
    value: String(parameter.low),
  };
}

/** The first fault of a parameter, at the field where it is mended; null when there is none. */
export function checkParameter(form: ParameterForm): { field: ParameterField; key: FieldErrorKey } | null {
  const number = (
    field: "low" | "high" | "step" | "value",
  ): { field: ParameterField; key: FieldErrorKey } | null => {
    if (form[field].trim() === "") return { field, key: "required" };
    const value = parseNumber(form[field]);
    if (value === null) return { field, key: "number" };
    if (form.origin === "int" && !Number.isInteger(value)) return { field, key: "integer" };
    return null;
  };
  if (!form.searched) {
    if (form.origin === "int" || form.origin === "float") return number("value");
    return form.value.trim() === "" ? { field: "value", key: "required" } : null;
  }
  if (form.origin === "categorical") {
    const choices = splitChoices(form.choices);
    const distinct = new Set(choices.map((choice) => `${typeof choice} ${choice}`));
    return choices.length === 0 || distinct.size !== choices.length
      ? { field: "choices", key: "choices" }
      : null;
  }
  const fault = number("low") ?? number("high") ?? (form.step.trim() === "" ? null : number("step"));
  if (fault) return fault;
  const low = Number(form.low);
  if (low > Number(form.high)) return { field: "high", key: "order" };
  if (form.log && low <= 0) return { field: "low", key: "logPositive" };
  if (form.step.trim() !== "") {
    if (Number(form.step) <= 0) return { field: "step", key: "stepPositive" };
    if (form.log) return { field: "step", key: "stepWithLog" };
  }
  return null;
}

/** The parameter that a form without faults stands for. */
export function formToParameter(form: ParameterForm): Parameter {
  if (!form.searched) return { value: parseScalar(form.value) };
  if (form.origin === "categorical") return { type: "categorical", choices: splitChoices(form.choices) };
  const step = form.step.trim() === "" ? null : Number(form.step);
  const range = { low: Number(form.low), high: Number(form.high), log: form.log };
  if (form.origin === "int") return { type: "int", ...range, ...(step === null ? {} : { step }) };
  return { type: "float", ...range, ...(step === null ? {} : { step }) };
}
