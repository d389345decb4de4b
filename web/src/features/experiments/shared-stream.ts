import type { LiveEvent } from "./live";
import { History, hear, type Message } from "./relay";
import { readStream, type StreamEnd } from "./stream";

export type SharedEnd =
  | StreamEnd
  /** The browser has as many streams as it may, of other experiments: read the state now and then. */
  | "full";

/** A browser gives HTTP/1.1 six connections to a server, for all its tabs; half of them are left for everything else. */
const STREAMS = 3;
const BEAT_MS = 5_000;
/** A tab that leads and says nothing for so long hangs. */
const SILENCE_MS = 15_000;

/**
 * Reads an experiment's events as {@link readStream} does, but over one connection for all tabs of the browser: the
 * tab that holds the experiment's lock reads the stream and hands the events on to the others. Should it be closed
 * or crash, the browser gives the lock to the next tab, which goes on after the last event that it has seen itself;
 * from one that hangs the lock is taken away. A browser without locks (or a page that is neither on loopback nor
 * served over TLS) reads a stream of its own.
 *
 * @throws ApiProblem as `readStream` does, in the tab that reads.
 */
export async function readShared(
  url: string,
  after: number,
  onEvent: (event: LiveEvent) => void,
  signal: AbortSignal,
): Promise<SharedEnd> {
  if (!("locks" in navigator) || typeof BroadcastChannel === "undefined") {
    return readStream(url, after, onEvent, signal);
  }
  try {
    return await share(url, after, onEvent, signal);
  } catch (error) {
    // A browser that keeps nothing for this site gives no locks either.
    if (isNamed(error, "SecurityError")) return readStream(url, after, onEvent, signal);
    throw error;
  }
}

const isNamed = (error: unknown, name: string) =>
  typeof error === "object" && error !== null && "name" in error && error.name === name;

async function share(
  url: string,
  after: number,
  onEvent: (event: LiveEvent) => void,
  signal: AbortSignal,
): Promise<SharedEnd> {
  const name = `melon:${url}`;
  const channel = new BroadcastChannel(name);
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  let last = after;
  let history: History | undefined;
  let asked = false;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const say = (message: Message) => channel.postMessage(message);
  const take = (event: LiveEvent) => {
    last = event.seq;
    onEvent(event);
  };

  const lead = async (): Promise<SharedEnd> => {
    clearTimeout(silence);
    const read = new History(last);
    history = read;
    say(read.position());
    const beat = setInterval(() => say(read.position()), BEAT_MS);
    const handOn = (event: LiveEvent) => {
      take(event);
      say(read.add(event));
    };
    try {
      return await readStream(url, last, handOn, over.signal);
    } finally {
      clearInterval(beat);
      history = undefined;
    }
  };

  try {
    return await new Promise<SharedEnd>((resolve, reject) => {
      const request = (options: LockOptions) =>
        navigator.locks
          .request(name, options, () => (over.signal.aborted ? "closed" : withinLimit(lead)))
          .then(resolve, (error: unknown) => {
            // The tab left, or another one took the lock away.
            if (isNamed(error, "AbortError")) resolve("closed");
            else reject(error);
          });
      const wait = () => {
        clearTimeout(silence);
        silence = setTimeout(() => void request({ steal: true }), SILENCE_MS);
      };
      channel.onmessage = ({ data }: MessageEvent<Message>) => {
        if (history) {
          if (data.kind === "ask") say(history.answer(data.after));
          return;
        }
        if (data.kind === "ask") return;
        wait();
        const heard = hear(last, data);
        if (heard === "gone") {
          resolve("gone");
        } else if (heard === "ask") {
          // Once is enough, until the tab that reads says again how far it is.
          if (!asked || data.kind !== "events" || data.events.length === 0) say({ kind: "ask", after: last });
          asked = true;
        } else if (heard.length > 0) {
          asked = false;
          heard.forEach(take);
        }
      };
      wait();
      say({ kind: "ask", after: last });
      void request({ signal: over.signal });
    });
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
    over.abort();
    channel.close();
  }
}

/** Runs it while fewer than {@link STREAMS} run in this browser; `full` otherwise. */
async function withinLimit(run: () => Promise<SharedEnd>): Promise<SharedEnd> {
  for (let place = 0; place < STREAMS; place++) {
    const end = await navigator.locks.request(`melon:stream:${place}`, { ifAvailable: true }, (lock) =>
      lock ? run() : null,
    );
    if (end !== null) return end;
  }
  return "full";
}
