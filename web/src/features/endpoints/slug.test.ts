import { describe, expect, it } from "vitest";
import { isSlug, suggestSlug, toSlug } from "./slug";

describe("toSlug", () => {
  it.each([
    ["flights-late", "flights-late"],
    ["My Model (v2)", "my-model-v2"],
    ["Prévision_été", "prevision-ete"],
    ["--x--", "x"],
    ["고객 이탈 2026", "2026"],
    [`${"a".repeat(62)}-b`, "a".repeat(62)],
  ])("of %s is %s", (name, slug) => {
    expect(toSlug(name)).toBe(slug);
    expect(isSlug(slug)).toBe(true);
  });

  it("always suggests something that is valid", () => {
    expect(suggestSlug("고객 이탈")).toBe("model");
  });

  it("suggests no name that is taken", () => {
    expect(suggestSlug("고객 이탈", new Set(["model", "model-2"]))).toBe("model-3");
    const long = "a".repeat(63);
    const other = suggestSlug(long, new Set([long]));
    expect(other).toBe(`${"a".repeat(61)}-2`);
    expect(isSlug(other)).toBe(true);
  });

  it.each(["", "-a", "a-", "A", "a_b", "a".repeat(64), "가"])("%s is none", (text) => {
    expect(isSlug(text)).toBe(false);
  });
});
