import { describe, expect, it } from "vitest";
import { SIGNATURE } from "../../../test/data";
import {
  curlLine,
  faultsOfRow,
  formToRow,
  pythonCode,
  rankedProbabilities,
  rowToForm,
  shellQuote,
  unseenFeatures,
} from "./signature-form";

const { features } = SIGNATURE;
const example = { age: 39, job: null, grade: 2, member: false, since: "2019-04-03T00:00:00.000000Z" };

describe("a row in the form", () => {
  it("comes back as it was, but for fractions of a second that nobody typed", () => {
    const form = rowToForm(features, example);
    expect(form).toEqual({ age: "39", job: "", grade: "2", member: "false", since: "2019-04-03T00:00:00Z" });
    expect(formToRow(features, form)).toEqual({ ...example, since: "2019-04-03T00:00:00Z" });
  });

  it("has every field of the signature, also those that the example lacks", () => {
    expect(formToRow(features, rowToForm(features, {}))).toEqual({
      age: null,
      job: null,
      grade: null,
      member: null,
      since: null,
    });
  });

  it("sends a category that is stored as a number as one, and a text of digits as a text", () => {
    const row = formToRow(features, { age: "1e1", job: "12", grade: "7", member: "true", since: "x" });
    expect(row).toEqual({ age: 10, job: "12", grade: 7, member: true, since: "x" });
  });

  it("sends what is no number as it was typed, for the server to name", () => {
    expect(formToRow(features, { age: "old" })).toMatchObject({ age: "old" });
  });
});

describe("faultsOfRow", () => {
  it("puts each fault at its field, the first of each, and the rest apart", () => {
    const fault = (pointer: string, detail: string) => ({ pointer, code: "wrong_type", detail });
    const number = fault("/instances/0/age", "must be a number");
    const slash = fault("/instances/0/a~1b", "slash");
    const many = fault("/instances", "too many");
    expect(faultsOfRow([number, fault("/instances/0/age", "again"), slash, many])).toEqual({
      fields: { age: number, "a/b": slash },
      others: [many],
    });
  });
});

describe("unseenFeatures", () => {
  it("names the categories that training did not see, and no missing value", () => {
    const features = SIGNATURE.features;
    expect(unseenFeatures(features, { age: 7, job: "pilot" })).toEqual(["job"]);
    expect(unseenFeatures(features, { age: 7, job: "clerk" })).toEqual([]);
    expect(unseenFeatures(features, { age: 7, job: null })).toEqual([]);
  });
});

describe("the call as code", () => {
  const row = { name: 'O\'Brien "x"', member: true, job: null, age: 1 };

  it("survives a shell", () => {
    expect(shellQuote("it's")).toBe("'it'\\''s'");
    expect(curlLine("http://h/p", row)).toBe(
      `curl -sS 'http://h/p' -H 'Content-Type: application/json' -d '{"instances":[{"name":"O'\\''Brien \\"x\\"","member":true,"job":null,"age":1}]}'`,
    );
  });

  it("is Python in Python", () => {
    const code = pythonCode("http://h/p", row);
    expect(code).toContain(`    "name": "O'Brien \\"x\\"",`);
    expect(code).toContain('    "member": True,');
    expect(code).toContain('    "job": None,');
  });
});

describe("rankedProbabilities", () => {
  it("begins with the most likely", () => {
    expect(rankedProbabilities({ a: 0.2, b: 0.7, c: 0.1 }).map(([name]) => name)).toEqual(["b", "a", "c"]);
  });
});
