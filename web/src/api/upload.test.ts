import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { uploadDataset } from "./upload";

class FakeRequest {
  static last: FakeRequest;
  upload: { onprogress?: (event: { loaded: number }) => void; onload?: () => void } = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  status = 0;
  responseText = "";
  headers: Record<string, string> = {};
  sent: FormData | null = null;
  constructor() {
    FakeRequest.last = this;
  }
  open = vi.fn();
  setRequestHeader(name: string, value: string) {
    this.headers[name] = value;
  }
  send(form: FormData) {
    this.sent = form;
  }
  abort() {
    this.onabort?.();
  }
  answer(status: number, body: string) {
    this.status = status;
    this.responseText = body;
    this.onload?.();
  }
}

beforeEach(() => vi.stubGlobal("XMLHttpRequest", FakeRequest));
afterEach(() => vi.unstubAllGlobals());

const file = new File(["a,b\n1,2\n"], "t.csv");

describe("uploadDataset", () => {
  it("sends the file once, with a key, and gives the data set", async () => {
    const { done } = uploadDataset(file, () => undefined);
    const request = FakeRequest.last;
    expect(request.open).toHaveBeenCalledWith("POST", "/api/v1/datasets");
    expect(request.headers["Idempotency-Key"]).toMatch(/.{16,}/);
    const sent = request.sent?.get("file");
    expect(sent instanceof File && sent.name).toBe("t.csv");
    request.answer(201, '{"id":"d1"}');
    await expect(done).resolves.toEqual({ id: "d1" });
  });

  it("tells the bytes of the file, never more than it has", () => {
    const progress = vi.fn();
    const { done } = uploadDataset(file, progress);
    done.catch(() => undefined);
    FakeRequest.last.upload.onprogress?.({ loaded: 3 });
    FakeRequest.last.upload.onprogress?.({ loaded: 300 });
    FakeRequest.last.upload.onload?.();
    expect(progress.mock.calls.flat()).toEqual([3, file.size, file.size]);
  });

  it("rejects with the server's problem", async () => {
    const { done } = uploadDataset(file, () => undefined);
    FakeRequest.last.answer(422, '{"status":422,"code":"header_only","detail":"No rows."}');
    await expect(done).rejects.toMatchObject({ code: "header_only", detail: "No rows." });
  });

  it("rejects with a plain word for an answer that is no problem, and for none at all", async () => {
    const first = uploadDataset(file, () => undefined);
    FakeRequest.last.answer(502, "<html>bad gateway</html>");
    await expect(first.done).rejects.toMatchObject({ code: "upstream_unavailable" });
    const second = uploadDataset(file, () => undefined);
    FakeRequest.last.onerror?.();
    await expect(second.done).rejects.toMatchObject({ code: "offline" });
  });

  it("aborts the request when it is cancelled", async () => {
    const { done, cancel } = uploadDataset(file, () => undefined);
    cancel();
    await expect(done).rejects.toMatchObject({ code: "aborted" });
  });
});
