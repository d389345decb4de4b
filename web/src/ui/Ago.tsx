import { useSyncExternalStore } from "react";
import { formatAgo, formatInstant } from "./format";
import { useFormat } from "./use-format";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for every relative time on the page. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 15_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** A moment as people say it, with the exact one on hover. */
export function Ago({ at }: { at: string }) {
  const { language } = useFormat();
  const current = useSyncExternalStore(subscribe, () => now);
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={formatInstant(language, moment)} style={{ whiteSpace: "nowrap" }}>
      {formatAgo(language, moment, Math.max(current, moment))}
    </time>
  );
}
