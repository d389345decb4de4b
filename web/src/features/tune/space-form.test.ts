import { describe, expect, it } from "vitest";
import {
  checkParameter,
  formToParameter,
  type Parameter,
  type ParameterForm,
  parameterToForm,
  parseNumber,
  parseScalar,
  splitChoices,
} from "./space-form";

describe("reading what people type", () => {
  it.each([
    ["0.05", 0.05],
    [" 12 ", 12],
    ["1e-3", 0.001],
    [".5", 0.5],
    ["-2.", -2],
    ["1E5", 100_000],
  ])("%s is a number", (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  it.each(["", "abc", "1,5", "0x10", "Infinity", "1e999", "1 2", "--1"])("%s is none", (text) => {
    expect(parseNumber(text)).toBeNull();
  });

  it("takes true, false and numbers for what they are, the rest for texts", () => {
    expect([parseScalar("true"), parseScalar("false"), parseScalar("3"), parseScalar(" gbdt ")]).toEqual([
      true,
      false,
      3,
      "gbdt",
    ]);
    expect(splitChoices("gbdt, goss,, 1 ")).toEqual(["gbdt", "goss", 1]);
  });
});

const PARAMETERS: Record<string, Parameter> = {
  "an int on a logarithmic scale": { type: "int", low: 8, high: 256, log: true },
  "an int with steps": { type: "int", low: 4, high: 12, step: 2, log: false },
  "a float": { type: "float", low: 0.4, high: 1, log: false },
  "a float with steps": { type: "float", low: 0, high: 1, step: 0.25, log: false },
  "a tiny float": { type: "float", low: 1e-8, high: 10, log: true },
  choices: { type: "categorical", choices: ["gbdt", "goss"] },
  "choices of several types": { type: "categorical", choices: [1, true, "x"] },
  "a fixed number": { value: 1 },
  "a fixed truth value": { value: false },
  "a fixed text": { value: "gbdt" },
};

describe("a parameter in the form", () => {
  it.each(Object.entries(PARAMETERS))("%s comes back as it was", (_, parameter) => {
    const form = parameterToForm("p", parameter);
    expect(checkParameter(form)).toBeNull();
    expect(formToParameter(form)).toEqual(parameter);
  });

  it("can be fixed to a value instead of searched", () => {
    const form = {
      ...parameterToForm("p", { type: "int", low: 8, high: 256 }),
      searched: false,
      value: "31",
    };
    expect(checkParameter(form)).toBeNull();
    expect(formToParameter(form)).toEqual({ value: 31 });
  });
});

describe("checkParameter", () => {
  const int = parameterToForm("p", { type: "int", low: 8, high: 256 });
  const float = parameterToForm("p", { type: "float", low: 0.1, high: 1 });
  const choice = parameterToForm("p", { type: "categorical", choices: ["a", "b"] });
  const cases: [string, ParameterForm, ReturnType<typeof checkParameter>][] = [
    ["nothing typed", { ...int, low: " " }, { field: "low", key: "required" }],
    ["no number", { ...float, high: "much" }, { field: "high", key: "number" }],
    ["a fraction of an int", { ...int, low: "8.5" }, { field: "low", key: "integer" }],
    ["bounds in the wrong order", { ...int, low: "300" }, { field: "high", key: "order" }],
    ["zero on a logarithmic scale", { ...float, low: "0", log: true }, { field: "low", key: "logPositive" }],
    ["a step of nothing", { ...float, step: "0" }, { field: "step", key: "stepPositive" }],
    [
      "a step on a logarithmic scale",
      { ...float, step: "0.1", log: true },
      { field: "step", key: "stepWithLog" },
    ],
    ["no choice", { ...choice, choices: " , " }, { field: "choices", key: "choices" }],
    ["the same choice twice", { ...choice, choices: "a, a" }, { field: "choices", key: "choices" }],
    ["a number and its text are two choices", { ...choice, choices: "1, 2" }, null],
    ["a fixed int that is none", { ...int, searched: false, value: "x" }, { field: "value", key: "number" }],
    [
      "a fixed choice of nothing",
      { ...choice, searched: false, value: "" },
      { field: "value", key: "required" },
    ],
    ["one value alone", { ...int, low: "8", high: "8" }, null],
  ];
  it.each(cases)("%s", (_, form, fault) => {
    expect(checkParameter(form)).toEqual(fault);
  });
});
