import type { MetricSeries } from "@/api/generated";

const CPU = "system.cpu_cores";
const MEMORY = "system.memory_bytes";

export interface Usage {
  /** Cores that were busy, on average over the training. */
  cores?: number;
  /** The most memory that was seen in use. */
  memoryBytes?: number;
}

/** What a run's training used, from the series that its worker wrote; undefined where it wrote none. */
export function usageOf(series: readonly MetricSeries[]): Usage | undefined {
  const points = (name: string) => series.find((one) => one.name === name)?.points ?? [];
  const busy = points(CPU);
  const memory = points(MEMORY);
  if (busy.length === 0 && memory.length === 0) return undefined;
  return {
    cores: mean(busy),
    memoryBytes: memory.length > 0 ? Math.max(...memory.map((point) => point.value)) : undefined,
  };
}

/** The mean over the time that each point stands for: from the one before it, the first from the beginning. */
function mean(points: readonly { step: number; value: number }[]): number | undefined {
  let sum = 0;
  let seconds = 0;
  let before = 0;
  for (const { step, value } of points) {
    // The last may come within the second of the one before it.
    const lasted = Math.max(step - before, 0.5);
    sum += value * lasted;
    seconds += lasted;
    before = step;
  }
  return seconds === 0 ? undefined : sum / seconds;
}
