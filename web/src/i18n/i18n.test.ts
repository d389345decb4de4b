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

  it("word every code that the server may answer with", () => {
    const source = readFileSync("../packages/contracts/src/melonkube/contracts/errors.py", "utf8");
    const body = source.slice(source.indexOf("class ErrorCode"), source.indexOf("class ProblemItem"));
    const codes = [...body.matchAll(/^ {4}[A-Z_]+ = "(\w+)"$/gm)].map((match) => match[1] ?? "");
    expect(codes.length).toBeGreaterThan(50);
    expect(codes.filter((code) => !english.has(`errors.${code}`))).toEqual([]);
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
