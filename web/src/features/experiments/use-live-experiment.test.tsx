import { act, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { client } from "@/api/generated/client.gen";
import { makeExperiment, makeTrial } from "../../../test/data";
import { show } from "../../../test/render";
import { FakeStream } from "../../../test/stream";
import { useLiveExperiment } from "./use-live-experiment";

const id = makeExperiment().id;

/** A server with one experiment: its state, its trials, and the streams that were opened. */
class FakeServer {
  experiment = makeExperiment({ last_event: 3 });
  trials = [makeTrial(1)];
  readonly streams: { after: string | null; stream: FakeStream; signal: AbortSignal | null }[] = [];
  /** Statuses with which the next streams are refused. */
  refusals: number[] = [];
  reads = 0;
  deleted = false;

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request =
      input instanceof Request ? input : new Request(new URL(String(input), "http://melon.test"), init);
    const path = new URL(request.url).pathname;
    if (this.deleted) return Response.json({ status: 404, code: "not_found", detail: "" }, { status: 404 });
    if (path.endsWith("/events")) {
      const refusal = this.refusals.shift();
      if (refusal) return Response.json({ status: refusal, code: "gone", detail: "" }, { status: refusal });
      const stream = new FakeStream(init?.signal ?? null);
      this.streams.push({
        after: request.headers.get("Last-Event-ID"),
        stream,
        signal: init?.signal ?? null,
      });
      return stream.response;
    }
    if (path.endsWith("/trials")) return Response.json({ items: this.trials, next_cursor: null });
    this.reads += 1;
    return Response.json(this.experiment);
  };

  stream(index: number) {
    const found = this.streams[index];
    if (!found) throw new Error(`stream ${index} was not opened`);
    return found;
  }
}

function View() {
  const { experiment, trials } = useLiveExperiment(id);
  return (
    <output>
      {experiment.isError && "gone "}
      {`${experiment.data?.state} ${(trials.data ?? []).map((trial) => `${trial.number}:${trial.state}`).join(",")}`}
    </output>
  );
}

let server: FakeServer;

function setHidden(hidden: boolean): void {
  Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  server = new FakeServer();
  vi.stubGlobal("fetch", server.fetch);
  client.setConfig({ baseUrl: "http://melon.test" });
});

afterEach(() => {
  setHidden(false);
  client.setConfig({ baseUrl: "" });
  vi.unstubAllGlobals();
});

const shows = (text: string) => waitFor(() => expect(screen.getByRole("status")).toHaveTextContent(text));
const opened = (count: number) =>
  waitFor(() => expect(server.streams).toHaveLength(count), { timeout: 3000 });

describe("useLiveExperiment", () => {
  it("begins the stream at the state it read, and shows what comes", async () => {
    await show(<View />);
    await opened(1);
    expect(server.stream(0).after).toBe("3");
    act(() => server.stream(0).stream.event(4, "trial", makeTrial(2, { state: "running", value: null })));
    await shows("running 1:completed,2:running");
    act(() => server.stream(0).stream.event(5, "trial", makeTrial(2)));
    await shows("running 1:completed,2:completed");
  });

  it("closes the stream while the page is hidden, and resumes after the last event", async () => {
    await show(<View />);
    await opened(1);
    act(() => server.stream(0).stream.event(4, "trial", makeTrial(2)));
    await shows("2:completed");
    act(() => setHidden(true));
    expect(server.stream(0).signal?.aborted).toBe(true);
    act(() => setHidden(false));
    await opened(2);
    expect(server.stream(1).after).toBe("4");
  });

  it("connects again when the stream ends, without losing or repeating an event", async () => {
    await show(<View />);
    await opened(1);
    act(() => {
      server.stream(0).stream.event(4, "trial", makeTrial(2));
      server.stream(0).stream.end();
    });
    await opened(2);
    expect(server.stream(1).after).toBe("4");
    act(() => server.stream(1).stream.event(5, "trial", makeTrial(3)));
    await shows("1:completed,2:completed,3:completed");
  });

  it("reads the state again when the events in between are gone", async () => {
    server.refusals = [410];
    await show(<View />);
    server.experiment = makeExperiment({ last_event: 90 });
    server.trials = [makeTrial(1), makeTrial(2), makeTrial(3)];
    await opened(1);
    expect(server.stream(0).after).toBe("90");
    await shows("1:completed,2:completed,3:completed");
  });

  it("notices that the experiment was deleted elsewhere", async () => {
    await show(<View />);
    await opened(1);
    server.deleted = true;
    act(() => server.stream(0).stream.end());
    await shows("gone");
  });

  it("falls back to reading the state while no stream can be had", async () => {
    server.refusals = Array.from({ length: 50 }, () => 503);
    await show(<View />);
    await shows("running 1:completed");
    server.trials = [makeTrial(1), makeTrial(2)];
    server.experiment = makeExperiment({ state: "completed", last_event: 9 });
    await waitFor(
      () => expect(screen.getByRole("status")).toHaveTextContent("completed 1:completed,2:completed"),
      {
        timeout: 4000,
      },
    );
    expect(server.streams).toHaveLength(0);
  });

  it("opens no stream for an experiment that has ended, and closes it when it ends", async () => {
    await show(<View />);
    await opened(1);
    act(() => server.stream(0).stream.event(4, "experiment", makeExperiment({ state: "completed" })));
    await shows("completed");
    await waitFor(() => expect(server.stream(0).signal?.aborted).toBe(true));
    expect(server.streams).toHaveLength(1);
  });
});
