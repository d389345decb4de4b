import { describe, expect, it } from "vitest";
import { ABORTED, ApiProblem, OFFLINE, pointerParts, toProblem } from "./problem";

describe("toProblem", () => {
  it("keeps a problem of the server whole", () => {
    const problem = toProblem(
      {
        type: "about:blank",
        title: "Conflict",
        status: 409,
        code: "in_use",
        detail: "The endpoint 'a' depends on it.",
        request_id: "r1",
        errors: [{ pointer: "/name", code: "name_taken", detail: "taken" }],
      },
      409,
    );
    expect(problem).toBeInstanceOf(ApiProblem);
    expect(problem).toMatchObject({ status: 409, code: "in_use", requestId: "r1" });
    expect(problem.errors).toHaveLength(1);
  });

  it("returns an ApiProblem as it is", () => {
    const problem = new ApiProblem({ status: 404, code: "not_found", detail: "no" });
    expect(toProblem(problem)).toBe(problem);
  });

  it("takes a call without an answer for being offline, and a cancelled one for that", () => {
    expect(toProblem(new TypeError("fetch failed")).code).toBe(OFFLINE);
    expect(toProblem(new DOMException("", "AbortError")).code).toBe(ABORTED);
  });

  it("names an answer that is no problem by its status", () => {
    expect(toProblem("<html>", 502).code).toBe("upstream_unavailable");
    expect(toProblem("<html>", 500).code).toBe("internal");
  });
});

describe("transient", () => {
  it.each([
    [0, OFFLINE, true],
    [502, "upstream_unavailable", true],
    [503, "not_ready", true],
    [409, "in_use", false],
    [500, "internal", false],
  ])("of status %i (%s) is %s", (status, code, expected) => {
    expect(new ApiProblem({ status, code, detail: "" }).transient).toBe(expected);
  });
});

describe("pointerParts", () => {
  it("splits and unescapes", () => {
    expect(pointerParts("/columns/a~1b~0c/kind")).toEqual(["columns", "a/b~c", "kind"]);
    expect(pointerParts("")).toEqual([]);
  });

  it("does not read an escaped tilde as an escape", () => {
    expect(pointerParts("/a~01")).toEqual(["a~1"]);
  });
});
