import { locks } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeTrial } from "../../../test/data";
import { FakeStream } from "../../../test/stream";
import { readShared, type SharedEnd } from "./shared-stream";

/** One tab that reads an experiment's events. */
class Tab {
  readonly seen: number[] = [];
  readonly end: Promise<SharedEnd>;
  readonly #leave = new AbortController();

  constructor(url: string, after: number) {
    this.end = readShared(url, after, (event) => this.seen.push(event.seq), this.#leave.signal);
    this.end.catch(() => undefined);
    tabs.push(this);
  }

  close(): void {
    this.#leave.abort();
  }
}

const tabs: Tab[] = [];
let streams: { url: string; after: string; stream: FakeStream; signal: AbortSignal }[] = [];
let test = 0;
/** An address that no other test has, as locks are the process's. */
let url = "";

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 3_000, interval: 5 });
const opened = (count: number) => eventually(() => expect(streams).toHaveLength(count));
const send = (index: number, ...seqs: number[]) => {
  for (const seq of seqs) streams[index]?.stream.event(seq, "trial", makeTrial(seq));
};

beforeEach(() => {
  url = `/experiments/${++test}/events`;
  streams = [];
  Object.defineProperty(navigator, "locks", { configurable: true, value: locks });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit) => {
    const signal = init.signal as AbortSignal;
    const stream = new FakeStream(signal);
    const headers = init.headers as Record<string, string>;
    streams.push({ url: address, after: headers["Last-Event-ID"] ?? "", stream, signal });
    return stream.response;
  });
});

afterEach(async () => {
  for (const tab of tabs) tab.close();
  await Promise.allSettled(tabs.map((tab) => tab.end));
  tabs.length = 0;
  vi.useRealTimers();
  vi.unstubAllGlobals();
  Reflect.deleteProperty(navigator, "locks");
});

describe("readShared", () => {
  it("reads one stream for all tabs", async () => {
    const all = [new Tab(url, 3), new Tab(url, 3), new Tab(url, 3)];
    await opened(1);
    send(0, 4, 5);
    await eventually(() =>
      expect(all.map((tab) => tab.seen)).toEqual([
        [4, 5],
        [4, 5],
        [4, 5],
      ]),
    );
    expect(streams).toHaveLength(1);
  });

  it("gives a tab that comes later what it missed", async () => {
    new Tab(url, 3);
    await opened(1);
    send(0, 4, 5, 6);
    const late = new Tab(url, 4);
    await eventually(() => expect(late.seen).toEqual([5, 6]));
    send(0, 7);
    await eventually(() => expect(late.seen).toEqual([5, 6, 7]));
  });

  it("tells a tab that is too far behind to read the state again", async () => {
    new Tab(url, 30);
    await opened(1);
    await expect(new Tab(url, 4).end).resolves.toBe("gone");
  });

  it("goes on in another tab when the one that read is closed", async () => {
    const first = new Tab(url, 3);
    await opened(1);
    const others = [new Tab(url, 3), new Tab(url, 3)];
    send(0, 4);
    await eventually(() => expect(others.map((tab) => tab.seen)).toEqual([[4], [4]]));
    first.close();
    await expect(first.end).resolves.toBe("closed");
    expect(streams[0]?.signal.aborted).toBe(true);
    await opened(2);
    expect(streams[1]?.after).toBe("4");
    send(1, 5);
    await eventually(() =>
      expect(others.map((tab) => tab.seen)).toEqual([
        [4, 5],
        [4, 5],
      ]),
    );
    expect(first.seen).toEqual([4]);
  });

  it("takes the lead from a tab that hangs", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const hanging = locks.request(`melon:${url}`, () => new Promise(() => undefined));
    const lost = expect(hanging).rejects.toThrow();
    const tab = new Tab(url, 3);
    await vi.advanceTimersByTimeAsync(14_000);
    expect(streams).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(2_000);
    vi.useRealTimers();
    await lost;
    await opened(1);
    send(0, 4);
    await eventually(() => expect(tab.seen).toEqual([4]));
  });

  it("leads no more when another tab took the lead", async () => {
    const tab = new Tab(url, 3);
    await opened(1);
    await locks.request(`melon:${url}`, { steal: true }, () => undefined);
    await expect(tab.end).resolves.toBe("closed");
    expect(streams[0]?.signal.aborted).toBe(true);
  });

  it("reads at most three streams of all experiments, and leaves one for whoever comes next", async () => {
    const of = (each: number) => new Tab(`${url}?${each}`, 3);
    const reading = [of(1), of(2), of(3)];
    await opened(3);
    await expect(of(4).end).resolves.toBe("full");
    // Another tab on one of the three needs none.
    const beside = of(1);
    await opened(3);
    send(0, 4);
    await eventually(() => expect(beside.seen).toEqual([4]));
    reading[2]?.close();
    await reading[2]?.end;
    of(4);
    await opened(4);
    expect(streams[3]?.url).toBe(`${url}?4`);
  });

  it("ends where the stream ends, and throws what it throws, in the tab that reads; another one takes over", async () => {
    const first = new Tab(url, 3);
    await opened(1);
    const second = new Tab(url, 3);
    streams[0]?.stream.end();
    await expect(first.end).resolves.toBe("closed");
    await opened(2);
    vi.stubGlobal(
      "fetch",
      async () => new Response('{"status":401,"code":"unauthenticated","detail":""}', { status: 401 }),
    );
    streams[1]?.stream.end();
    await expect(second.end).resolves.toBe("closed");
    await expect(new Tab(url, 3).end).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it.each(["no locks", "refused locks"])("reads a stream of its own where there are %s", async (what) => {
    const refused = { request: () => Promise.reject(new DOMException("", "SecurityError")) };
    if (what === "no locks") Reflect.deleteProperty(navigator, "locks");
    else Object.defineProperty(navigator, "locks", { configurable: true, value: refused });
    const all = [new Tab(url, 3), new Tab(url, 3)];
    await opened(2);
    send(0, 4);
    send(1, 4);
    await eventually(() => expect(all.map((tab) => tab.seen)).toEqual([[4], [4]]));
  });
});
