import { describe, expect, it } from "vitest";
import { usageOf } from "./usage";

const at = "2026-01-02T03:04:05.000000Z";
const series = (name: string, ...points: [step: number, value: number][]) => ({
  name,
  points: points.map(([step, value]) => ({ step, value, at })),
});

describe("usageOf", () => {
  it("is the mean over time of the cores, and the most of the memory", () => {
    const usage = usageOf([
      series("auc", [10, 0.9]),
      series("system.cpu_cores", [10, 2], [20, 1], [25, 0]),
      series("system.memory_bytes", [10, 100], [20, 300], [25, 200]),
    ]);
    expect(usage).toEqual({ cores: (2 * 10 + 1 * 10 + 0 * 5) / 25, memoryBytes: 300 });
  });

  it("takes the one point of a short training as it is", () => {
    expect(usageOf([series("system.cpu_cores", [0, 0.9]), series("system.memory_bytes", [0, 7])])).toEqual({
      cores: 0.9,
      memoryBytes: 7,
    });
  });

  it("is nothing where nothing was written, as in a container of the user's", () => {
    expect(usageOf([series("auc", [1, 0.5])])).toBeUndefined();
  });
});
