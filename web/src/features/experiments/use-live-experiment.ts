import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { eventsUrl, experimentKeys, experimentOne, experimentTrials, isFinal } from "@/api/experiments";
import type { Experiment, Trial, TrialDetail } from "@/api/generated";
import { applyEvents, type LiveEvent, type LiveState } from "./live";
import { readShared } from "./shared-stream";

/** Events are shown in batches: a busy experiment sends more than a screen can draw. */
const FLUSH_MS = 150;
const POLL_MS = 4_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** After so many failures in a row the state is also read by polling. */
const FAILURES_BEFORE_POLLING = 2;

function readState(queries: QueryClient, id: string): LiveState | null {
  const experiment = queries.getQueryData<Experiment>(experimentKeys.one(id));
  const trials = queries.getQueryData<Trial[]>(experimentKeys.trials(id));
  return experiment && trials ? { experiment, trials, lastEvent: experiment.last_event ?? 0 } : null;
}

function patchDetails(queries: QueryClient, id: string, events: readonly LiveEvent[]): void {
  for (const event of events) {
    if (event.type === "experiment") continue;
    const key = experimentKeys.trial(id, event.data.number);
    if (event.type === "trial") {
      void queries.invalidateQueries({ queryKey: key, exact: true });
    } else {
      const { step, value } = event.data;
      queries.setQueryData<TrialDetail>(
        key,
        (old) =>
          old && {
            ...old,
            intermediate: [...(old.intermediate ?? []).filter(([seen]) => seen !== step), [step, value]],
          },
      );
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Follows an experiment until `signal` ends it, or the experiment has ended. */
async function follow(queries: QueryClient, id: string, signal: AbortSignal): Promise<void> {
  const known = readState(queries, id);
  if (!known) return;
  let state: LiveState = known;
  let waiting: LiveEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const flush = () => {
    timer = undefined;
    if (waiting.length === 0) return;
    const events = waiting;
    waiting = [];
    // Answers to a press on a button may be newer than what was applied last: begin from what is shown.
    const shown = readState(queries, id);
    state = applyEvents({ ...(shown ?? state), lastEvent: state.lastEvent }, events);
    queries.setQueryData(experimentKeys.one(id), { ...state.experiment, last_event: state.lastEvent });
    queries.setQueryData(experimentKeys.trials(id), state.trials);
    patchDetails(queries, id, events);
  };
  const reread = async () => {
    await queries.refetchQueries({ queryKey: experimentKeys.one(id), exact: true });
    await queries.refetchQueries({ queryKey: experimentKeys.trials(id), exact: true });
    const fresh = readState(queries, id);
    if (fresh) state = { ...fresh, lastEvent: fresh.experiment.last_event ?? state.lastEvent };
  };
  const onEvent = (event: LiveEvent) => {
    failures = 0;
    waiting.push(event);
    timer ??= setTimeout(flush, FLUSH_MS);
  };

  while (!signal.aborted) {
    const after = waiting.at(-1)?.seq ?? state.lastEvent;
    let wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 8_000;
    try {
      const end = await readShared(eventsUrl(id), after, onEvent, signal);
      clearTimeout(timer);
      flush();
      if (signal.aborted || isFinal(state.experiment)) return;
      if (end === "missing") {
        await queries.refetchQueries({ queryKey: experimentKeys.one(id), exact: true });
        return;
      }
      if (end === "gone") await reread();
      if (end === "full") failures = FAILURES_BEFORE_POLLING;
      else failures += 1;
    } catch {
      if (signal.aborted) return;
      failures += 1;
    }
    if (failures >= FAILURES_BEFORE_POLLING) {
      wait = POLL_MS;
      await reread();
      if (isFinal(state.experiment)) return;
    }
    await pause(wait, signal);
  }
}

/**
 * An experiment and its trials, kept current by the event stream while the page is looked at: one stream for all tabs
 * of the browser. A tab that is hidden leaves it, and goes on where it left.
 */
export function useLiveExperiment(id: string) {
  const queries = useQueryClient();
  const experiment = useQuery({
    ...experimentOne(id),
    staleTime: Number.POSITIVE_INFINITY,
    // Once it has ended no stream tells that it was deleted in another tab.
    refetchOnWindowFocus: ({ state }) => (state.data && isFinal(state.data) ? "always" : false),
  });
  const trials = useQuery({
    ...experimentTrials(id),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: experiment.data !== undefined,
  });
  const loaded = experiment.data !== undefined && trials.data !== undefined;
  const ended = experiment.data !== undefined && isFinal(experiment.data);

  useEffect(() => {
    if (!loaded || ended) return;
    let running: AbortController | undefined;
    const update = () => {
      if (document.hidden) {
        running?.abort();
        running = undefined;
      } else if (!running) {
        running = new AbortController();
        void follow(queries, id, running.signal);
      }
    };
    update();
    document.addEventListener("visibilitychange", update);
    return () => {
      document.removeEventListener("visibilitychange", update);
      running?.abort();
    };
  }, [queries, id, loaded, ended]);

  return { experiment, trials };
}
