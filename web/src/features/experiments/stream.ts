import { createParser } from "eventsource-parser";
import { toProblem } from "@/api/problem";
import { type LiveEvent, parseEvent } from "./live";

export type StreamEnd =
  /** The server closed the stream, or the connection broke: connect again. */
  | "closed"
  /** The events since the last one seen are no longer kept: read the state again. */
  | "gone"
  /** There is no such experiment any more. */
  | "missing";

/**
 * Reads an experiment's events until the stream ends. `fetch` rather than EventSource, which cannot say where to
 * begin and hides the status of a refusal.
 *
 * @throws ApiProblem when the server refuses for another reason or cannot be reached.
 */
export async function readStream(
  url: string,
  after: number,
  onEvent: (event: LiveEvent) => void,
  signal: AbortSignal,
): Promise<StreamEnd> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { Accept: "text/event-stream", "Last-Event-ID": String(after) },
      cache: "no-store",
      signal,
    });
  } catch (error) {
    throw toProblem(error);
  }
  if (response.status === 410) return "gone";
  if (response.status === 404) return "missing";
  if (!response.ok || !response.body) {
    throw toProblem(await response.json().catch(() => null), response.status);
  }
  const parser = createParser({
    onEvent: (message) => {
      const event = parseEvent(message.data);
      if (event) onEvent(event);
    },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "closed";
      parser.feed(value);
    }
  } catch {
    return "closed";
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
