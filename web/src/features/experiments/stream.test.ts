import { afterEach, describe, expect, it, vi } from "vitest";
import { FakeStream } from "../../../test/stream";
import type { LiveEvent } from "./live";
import { readStream } from "./stream";

afterEach(() => vi.unstubAllGlobals());

const never = new AbortController().signal;

describe("readStream", () => {
  it("asks for what follows the last event, and gives every event until the end", async () => {
    const stream = new FakeStream();
    const fetch = vi.fn(async (..._args: Parameters<typeof globalThis.fetch>) => stream.response);
    vi.stubGlobal("fetch", fetch);
    const events: LiveEvent[] = [];
    const done = readStream("/events", 7, (event) => events.push(event), never);
    stream.send(": hello\n\n");
    stream.event(8, "report", { number: 1 });
    // An event may arrive in pieces.
    stream.send('id: 9\ndata: {"seq":9,"type":"re');
    stream.send('port","data":{}}\n\n');
    stream.send("data: junk\n\n");
    stream.end();
    await expect(done).resolves.toBe("closed");
    expect(events.map((event) => event.seq)).toEqual([8, 9]);
    expect(fetch.mock.calls[0]?.[1]?.headers).toMatchObject({ "Last-Event-ID": "7" });
  });

  it.each([
    [410, "gone"],
    [404, "missing"],
  ])("tells what a %i means", async (status, end) => {
    vi.stubGlobal("fetch", async () => new Response("{}", { status }));
    await expect(readStream("/events", 0, () => undefined, never)).resolves.toBe(end);
  });

  it("throws the problem of a refusal, and of a server out of reach", async () => {
    vi.stubGlobal(
      "fetch",
      async () => new Response('{"status":503,"code":"not_ready","detail":""}', { status: 503 }),
    );
    await expect(readStream("/events", 0, () => undefined, never)).rejects.toMatchObject({
      code: "not_ready",
    });
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("failed");
    });
    await expect(readStream("/events", 0, () => undefined, never)).rejects.toMatchObject({ code: "offline" });
  });
});
