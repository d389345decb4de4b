import { afterEach, beforeEach, vi } from "vitest";
import { client } from "@/api/generated/client.gen";

type Handler = (request: Request) => unknown;

/** What a test's server refuses with. */
export class Refusal {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: { pointer: string; code: string; detail: string }[] = [],
  ) {}
}

/**
 * A server of handlers, keyed by method and path (`GET /api/v1/samples`), for the tests of the file that calls this.
 * Whatever else is asked for fails the test by its name.
 */
export function fakeServer(): { handle: (key: string, handler: Handler) => void; calls: string[] } {
  let handlers = new Map<string, Handler>();
  const calls: string[] = [];
  beforeEach(() => {
    handlers = new Map();
    calls.length = 0;
    client.setConfig({ baseUrl: "http://melon.test" });
    vi.stubGlobal("fetch", async (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init);
      const key = `${request.method} ${new URL(request.url).pathname}`;
      calls.push(key);
      const handler = handlers.get(key);
      if (!handler) throw new Error(`nobody answers ${key}`);
      const body = await handler(request);
      if (body instanceof Refusal) {
        const { status, code, detail, errors } = body;
        return Response.json({ title: code, status, code, detail, errors }, { status });
      }
      return Response.json(body);
    });
  });
  afterEach(() => {
    client.setConfig({ baseUrl: "" });
    vi.unstubAllGlobals();
  });
  return { handle: (key, handler) => handlers.set(key, handler), calls };
}
