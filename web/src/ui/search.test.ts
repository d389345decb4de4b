import { describe, expect, it } from "vitest";
import { readSearch } from "@/features/experiments/search";
import { compact, flag, oneOf, positive, someOf, text } from "./search";

describe("what stands in an address", () => {
  it("is taken when it is as expected", () => {
    expect(oneOf({ tab: "preview" }, "tab", ["columns", "preview"])).toBe("preview");
    expect(positive({ trial: 12 }, "trial")).toBe(12);
    expect(flag({ desc: false }, "desc")).toBe(false);
    expect(text({ target: 5 }, "target")).toBe("5");
    expect(someOf({ states: ["failed", "running"] }, "states", ["running", "failed"])).toEqual([
      "running",
      "failed",
    ]);
  });

  it.each([
    [oneOf({ tab: "evil" }, "tab", ["columns"])],
    [positive({ trial: -1 }, "trial")],
    [positive({ trial: 1.5 }, "trial")],
    [positive({ trial: "1" }, "trial")],
    [flag({ desc: "yes" }, "desc")],
    [text({ target: { a: 1 } }, "target")],
    [text({ target: "" }, "target")],
    [someOf({ states: "failed" }, "states", ["failed"])],
    [someOf({ states: ["evil"] }, "states", ["failed"])],
  ])("counts as absent otherwise", (value) => {
    expect(value).toBeUndefined();
  });

  it("keeps the address short", () => {
    expect(compact({ a: 1, b: undefined })).toEqual({ a: 1 });
    expect(readSearch({ trial: 3, sort: "param:num_leaves", junk: 1 })).toEqual({
      trial: 3,
      sort: "param:num_leaves",
    });
  });
});
