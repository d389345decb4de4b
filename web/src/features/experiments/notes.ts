import { isFinal } from "@/api/experiments";
import type { Experiment } from "@/api/generated";

export interface Note {
  about: "excluded" | "noWinner" | "notScored";
  count: number;
}

/** What the server's warnings say, as far as the experiment itself tells it. */
export function notesOf(experiment: Experiment): Note[] {
  const { best, split, state } = experiment;
  const notes: Note[] = [];
  if (split.excluded > 0) notes.push({ about: "excluded", count: split.excluded });
  if (state === "completed" && !best) notes.push({ about: "noWinner", count: 0 });
  if (isFinal(experiment) && best && best.holdout_value == null) {
    notes.push({ about: "notScored", count: best.number });
  }
  return notes;
}
