import { describe, expect, it } from "vitest";
import { makeTrial } from "../../../test/data";
import type { LiveEvent } from "./live";
import { History, hear } from "./relay";

const event = (seq: number): LiveEvent => ({ seq, type: "trial", data: makeTrial(seq) });
const seqs = (heard: ReturnType<typeof hear>) =>
  typeof heard === "string" ? heard : heard.map(({ seq }) => seq);

describe("what a tab hears", () => {
  it("is each event once, in order", () => {
    const read = new History(3);
    expect(seqs(hear(3, read.add(event(4))))).toEqual([4]);
    expect(seqs(hear(4, read.answer(3)))).toEqual([]);
    read.add(event(5));
    expect(seqs(hear(4, read.answer(3)))).toEqual([5]);
  });

  it("makes it ask for what it missed, as soon as it can know", () => {
    const read = new History(3);
    read.add(event(4));
    expect(hear(3, read.position())).toBe("ask");
    expect(hear(3, read.add(event(5)))).toBe("ask");
    expect(seqs(hear(3, read.answer(3)))).toEqual([4, 5]);
  });

  it("lets it wait where the tab that reads is behind it", () => {
    const read = new History(3);
    expect(seqs(hear(5, read.position()))).toEqual([]);
    expect(seqs(hear(5, read.add(event(4))))).toEqual([]);
    read.add(event(5));
    expect(seqs(hear(5, read.add(event(6))))).toEqual([6]);
  });

  it("is that nobody knows what came before the stream began", () => {
    const read = new History(3);
    expect(hear(1, read.answer(1))).toBe("gone");
    // An answer to another tab concerns only those that are as far behind.
    expect(seqs(hear(3, read.answer(1)))).toEqual([]);
  });

  it("is the same of what was long ago", () => {
    const read = new History(0);
    for (let seq = 1; seq <= 2000; seq++) read.add(event(seq));
    expect(hear(0, read.answer(0))).toBe("gone");
    expect(seqs(hear(1990, read.answer(1990)))).toHaveLength(10);
  });

  it("is nothing in a question of another tab", () => {
    expect(seqs(hear(3, { kind: "ask", after: 9 }))).toEqual([]);
  });
});
