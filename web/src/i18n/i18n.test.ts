import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { detectLanguage } from ".";
import en from "./en/index";
import ko from "./ko/index";

function flatten(tree: object, prefix = ""): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") texts.set(prefix + key, value);
    else for (const [path, text] of flatten(value, `${prefix}${key}.`)) texts.set(path, text);
  }
  return texts;
}

const variables = (text: string) => [...text.matchAll(/{{(\w+)}}/g)].map((match) => match[1]).sort();
const english = flatten(en);
const korean = flatten(ko);

describe("the texts", () => {
  it("are the same keys in both languages, but for the singular that Korean has not", () => {
    const expected = [...english.keys()].filter((key) => !key.endsWith("_one")).sort();
    expect([...korean.keys()].sort()).toEqual(expected);
  });

  it("use the same variables in both languages", () => {
    for (const [key, text] of korean) {
      expect({ key, variables: variables(text) }).toEqual({
        key,
        variables: variables(english.get(key) ?? ""),
      });
    }
  });

  it("are never empty", () => {
    expect([...english, ...korean].filter(([, text]) => text.trim() === "")).toEqual([]);
  });

  it("glue no Korean particle to a variable, whose last sound is not known", () => {
    // A counter may follow at once: what is glued to it is known.
    const glued = /}}(?!개|행|회|분|초)[가-힣]/;
    expect([...korean].filter(([, text]) => glued.test(text))).toEqual([]);
  });

  it.each([
    ["errors.py", "ErrorCode", "errors", 50],
    ["experiments.py", "Cause", "causes", 11],
    ["experiments.py", "Metric", "metrics", 7],
    ["experiments.py", "Metric", "metricsLong", 7],
    ["experiments.py", "ExperimentState", "states", 6],
    ["experiments.py", "TrialState", "states", 7],
    ["datasets.py", "DatasetState", "states", 3],
    ["endpoints.py", "EndpointState", "states", 3],
    ["signature.py", "Kind", "kinds", 5],
    ["signature.py", "Kind", "predict.wrong", 5],
    ["signature.py", "Role", "roles", 4],
    ["signature.py", "Task", "tasks", 3],
  ])("word in both languages every value that %s exports as %s, under %s", (file, name, place, atLeast) => {
    const source = readFileSync(`../packages/contracts/src/melonkube/contracts/${file}`, "utf8");
    const body = source.split(`class ${name}(StrEnum):\n`)[1]?.split(/^\S/m)[0] ?? "";
    const values = [...body.matchAll(/^ {4}[A-Z0-9_]+ = "(\w+)"$/gm)].map((match) => match[1] ?? "");
    expect(values.length).toBeGreaterThanOrEqual(atLeast);
    for (const texts of [english, korean]) {
      expect(values.filter((value) => !texts.has(`${place}.${value}`))).toEqual([]);
    }
  });
});

describe("the samples", () => {
  it("are described in both languages, in English as the server describes them", () => {
    const samples: { name: string; title: string; description: string }[] = JSON.parse(
      readFileSync("../examples/data/samples.json", "utf8"),
    );
    expect(samples.length).toBeGreaterThan(2);
    for (const { name, title, description } of samples) {
      expect(english.get(`samples.known.${name}.title`)).toBe(title);
      expect(english.get(`samples.known.${name}.description`)).toBe(description);
      expect(korean.has(`samples.known.${name}.title`)).toBe(true);
    }
  });
});

describe("detectLanguage", () => {
  it.each([
    ["ko", ["en-US"], "ko"],
    [null, ["ko-KR", "en"], "ko"],
    [null, ["fr-FR", "ko"], "ko"],
    [null, ["EN-gb"], "en"],
    [null, ["fr-FR"], "en"],
    ["xx", ["ko"], "ko"],
    [null, [], "en"],
  ])("stored %s, preferred %j gives %s", (stored, preferred, expected) => {
    expect(detectLanguage(stored, preferred)).toBe(expected);
  });
});
