import type { Experiment, Trial } from "@/api/generated";

/** An event of an experiment's stream, as the server sends it. */
export type LiveEvent =
  | { seq: number; type: "experiment"; data: Experiment }
  | { seq: number; type: "trial"; data: Trial }
  | { seq: number; type: "report"; data: Report };

export interface Report {
  trial_id: string;
  number: number;
  step: number;
  value: number;
}

export interface LiveState {
  experiment: Experiment;
  trials: Trial[];
  /** The newest event this state includes. */
  lastEvent: number;
}

const FINAL = new Set<Trial["state"]>(["completed", "pruned", "failed", "stopped"]);

/**
 * Whether `next` tells nothing newer than `known`. A list of trials is read after the experiment whose number a
 * stream begins at, so events may come that the list already includes.
 */
function isOlder(next: Trial, known: Trial): boolean {
  if (next.attempt !== known.attempt) return next.attempt < known.attempt;
  return FINAL.has(known.state) && !FINAL.has(next.state);
}

/** Applies events to a state; events that it already includes change nothing. Returns the same state if none did. */
export function applyEvents(state: LiveState, events: readonly LiveEvent[]): LiveState {
  let { experiment, lastEvent } = state;
  let trials: Map<number, Trial> | undefined;
  const known = () => {
    trials ??= new Map(state.trials.map((trial) => [trial.number, trial]));
    return trials;
  };
  for (const event of events) {
    if (event.seq <= lastEvent) continue;
    lastEvent = event.seq;
    if (event.type === "experiment") {
      experiment = event.data;
    } else if (event.type === "trial") {
      const old = known().get(event.data.number);
      if (!old || !isOlder(event.data, old)) known().set(event.data.number, event.data);
    } else {
      const trial = known().get(event.data.number);
      if (trial && !FINAL.has(trial.state) && event.data.step >= (trial.last_step ?? -1)) {
        known().set(trial.number, { ...trial, last_step: event.data.step, last_value: event.data.value });
      }
    }
  }
  if (lastEvent === state.lastEvent) return state;
  return {
    experiment,
    lastEvent,
    trials: trials ? [...trials.values()].sort((one, other) => one.number - other.number) : state.trials,
  };
}

/** Reads an event out of the text of a stream; null for what this page does not know. */
export function parseEvent(data: string): LiveEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (
    typeof value !== "object" ||
    value === null ||
    !("seq" in value) ||
    !("type" in value) ||
    !("data" in value)
  ) {
    return null;
  }
  const { type } = value;
  return type === "experiment" || type === "trial" || type === "report" ? (value as LiveEvent) : null;
}
