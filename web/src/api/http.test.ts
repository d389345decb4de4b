import { afterEach, describe, expect, it, vi } from "vitest";
import { getDataset } from "./generated";
import { newKey, readAll, unwrap } from "./http";
import { ApiProblem, OFFLINE } from "./problem";

afterEach(() => vi.unstubAllGlobals());

function answer(status: number, body: unknown, type = "application/problem+json") {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type } });
}

// Node's Request, unlike a browser's, takes no relative address.
const call = () => unwrap(getDataset({ path: { dataset_id: "x" }, baseUrl: "http://melon.test" }));

describe("unwrap", () => {
  it("gives the body of an answer", async () => {
    vi.stubGlobal("fetch", async () => answer(200, { id: "x" }, "application/json"));
    await expect(call()).resolves.toEqual({ id: "x" });
  });

  it("throws the server's problem", async () => {
    vi.stubGlobal("fetch", async () =>
      answer(404, { status: 404, code: "not_found", detail: "No data set x." }),
    );
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiProblem);
    expect(error).toMatchObject({ status: 404, code: "not_found", detail: "No data set x." });
  });

  it("says that the server cannot be reached", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    await expect(call()).rejects.toMatchObject({ code: OFFLINE });
  });
});

describe("readAll", () => {
  it("follows the cursors to the end", async () => {
    const pages: Record<string, { items: number[]; next_cursor: string | null }> = {
      start: { items: [1, 2], next_cursor: "b" },
      b: { items: [3], next_cursor: null },
    };
    const read = vi.fn(async (cursor: string | undefined) => pages[cursor ?? "start"] ?? { items: [] });
    await expect(readAll(read)).resolves.toEqual([1, 2, 3]);
    expect(read).toHaveBeenCalledTimes(2);
  });
});

describe("newKey", () => {
  it("also works where the page is not served securely", () => {
    vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array) => bytes.fill(10) });
    expect(newKey()).toBe("0a".repeat(16));
  });
});
