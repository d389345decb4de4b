import { describe, expect, it, vi } from "vitest";
import { ABORTED, ApiProblem } from "@/api/problem";
import type { UploadHandle } from "@/api/upload";
import { makeDataset } from "../../../test/data";
import { UploadStore } from "./store";

function controlled() {
  const calls: {
    progress: (sent: number) => void;
    resolve: (dataset: ReturnType<typeof makeDataset>) => void;
    reject: (error: ApiProblem) => void;
    cancel: ReturnType<typeof vi.fn>;
  }[] = [];
  const send = (_file: File, progress: (sent: number) => void): UploadHandle => {
    let resolve: (dataset: ReturnType<typeof makeDataset>) => void = () => undefined;
    let reject: (error: ApiProblem) => void = () => undefined;
    const done = new Promise<ReturnType<typeof makeDataset>>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const cancel = vi.fn(() => reject(new ApiProblem({ status: 0, code: ABORTED, detail: "" })));
    calls.push({ progress, resolve, reject, cancel });
    return { done, cancel };
  };
  const store = new UploadStore(send);
  const call = (index: number) => {
    const found = calls[index];
    if (!found) throw new Error(`no call ${index}`);
    return found;
  };
  return { store, call };
}

const file = new File(["12345"], "t.csv");

describe("UploadStore", () => {
  it("goes from sending to reading to done", async () => {
    const { store, call } = controlled();
    const listener = vi.fn();
    store.subscribe(listener);
    const arrived = store.start(file);
    expect(store.snapshot()[0]).toMatchObject({ fileName: "t.csv", size: 5, sent: 0, phase: "sending" });
    expect(store.busy).toBe(true);
    call(0).progress(3);
    expect(store.snapshot()[0]).toMatchObject({ sent: 3, phase: "sending" });
    call(0).progress(5);
    expect(store.snapshot()[0]).toMatchObject({ sent: 5, phase: "reading" });
    const dataset = makeDataset();
    call(0).resolve(dataset);
    await expect(arrived).resolves.toBe(dataset);
    expect(store.snapshot()[0]).toMatchObject({ phase: "done", dataset });
    expect(store.busy).toBe(false);
    expect(listener).toHaveBeenCalledTimes(4);
  });

  it("forgets a cancelled upload and leaves the others alone", async () => {
    const { store, call } = controlled();
    const first = store.start(file);
    store.start(new File(["1"], "other.csv"));
    const key = store.snapshot()[0]?.key ?? -1;
    store.cancel(key);
    await expect(first).resolves.toBeNull();
    expect(call(0).cancel).toHaveBeenCalledOnce();
    expect(call(1).cancel).not.toHaveBeenCalled();
    expect(store.snapshot().map((upload) => upload.fileName)).toEqual(["other.csv"]);
  });

  it("keeps a failed upload with its problem, and sends the same file again on demand", async () => {
    const { store, call } = controlled();
    const problem = new ApiProblem({ status: 502, code: "upstream_unavailable", detail: "" });
    const arrived = store.start(file);
    call(0).reject(problem);
    await expect(arrived).resolves.toBeNull();
    const failed = store.snapshot()[0];
    expect(failed).toMatchObject({ phase: "failed", problem });
    const again = store.retry(failed?.key ?? -1);
    expect(store.snapshot()).toHaveLength(1);
    const dataset = makeDataset();
    call(1).resolve(dataset);
    await expect(again).resolves.toBe(dataset);
  });
});
