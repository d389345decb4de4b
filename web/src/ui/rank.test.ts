import { describe, expect, it } from "vitest";
import { rank } from "./rank";

const options = ["city", "day", "y", "Year", "other"].map((label) => ({ label }));
const labels = (search: string) => rank(options, search).map((option) => option.label);

describe("rank", () => {
  it("puts the closest first and keeps the order of equals", () => {
    expect(labels("y")).toEqual(["y", "Year", "city", "day"]);
    expect(labels(" YE ")).toEqual(["Year"]);
  });

  it("shows everything for nothing, and nothing for what is nowhere", () => {
    expect(labels("")).toEqual(["city", "day", "y", "Year", "other"]);
    expect(labels("zzz")).toEqual([]);
  });
});
