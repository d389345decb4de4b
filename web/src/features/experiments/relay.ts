import type { LiveEvent } from "./live";

/** What the tabs of one browser say to each other about the stream of one experiment. */
export type Message =
  /** A tab that listens wants what came after this event. */
  | { kind: "ask"; after: number }
  /** From the tab that reads the stream: what followed the event `after`; without events, how far it has read. */
  | { kind: "events"; after: number; events: readonly LiveEvent[] }
  /** From the same: what came up to this event it does not know; whoever has not seen it reads the state again. */
  | { kind: "gone"; before: number };

/** So many events are kept for tabs that missed some. */
const KEPT = 500;

/** What the tab that reads the stream remembers of it, for the tabs that listen. */
export class History {
  #floor: number;
  #at: number;
  #events: LiveEvent[] = [];

  /** @param after The stream begins after this event. */
  constructor(after: number) {
    this.#floor = after;
    this.#at = after;
  }

  /** Takes the next event; gives the message that hands it on. */
  add(event: LiveEvent): Message {
    const message: Message = { kind: "events", after: this.#at, events: [event] };
    this.#at = event.seq;
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#floor = this.#events.shift()?.seq ?? this.#floor;
    return message;
  }

  /** How far the stream has been read. */
  position(): Message {
    return { kind: "events", after: this.#at, events: [] };
  }

  /** The answer to a tab that asks for what came after an event. */
  answer(after: number): Message {
    if (after < this.#floor) return { kind: "gone", before: this.#floor };
    return { kind: "events", after, events: this.#events.filter((event) => event.seq > after) };
  }
}

/**
 * What a tab that has seen everything up to `last` makes of a message: events that are new to it, `ask` where it
 * missed some, `gone` where nobody can give it what it missed.
 */
export function hear(last: number, message: Message): readonly LiveEvent[] | "ask" | "gone" {
  if (message.kind === "ask") return [];
  if (message.kind === "gone") return last < message.before ? "gone" : [];
  if (message.after > last) return "ask";
  return message.events.filter((event) => event.seq > last);
}
