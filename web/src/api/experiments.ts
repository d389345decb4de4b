import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import {
  createExperiment,
  deleteExperiment,
  type Experiment,
  type ExperimentCreate,
  getExperiment,
  getTrial,
  listAlgorithms,
  listExperiments,
  listTrials,
  pauseExperiment,
  resumeExperiment,
  type SuggestionRequest,
  stopExperiment,
  suggestExperiment,
} from "./generated";
import { newKey, readAll, unwrap } from "./http";

const PAGE = 50;
const TRIALS_PAGE = 500;

export const experimentKeys = {
  all: ["experiments"] as const,
  list: () => [...experimentKeys.all, "list"] as const,
  one: (id: string) => [...experimentKeys.all, "one", id] as const,
  trials: (id: string) => [...experimentKeys.one(id), "trials"] as const,
  trial: (id: string, number: number) => [...experimentKeys.one(id), "trial", number] as const,
};

export function isFinal(experiment: Pick<Experiment, "state">): boolean {
  return ["completed", "stopped", "failed"].includes(experiment.state);
}

export const experimentList = () =>
  infiniteQueryOptions({
    queryKey: experimentKeys.list(),
    queryFn: ({ pageParam, signal }) =>
      unwrap(listExperiments({ query: { limit: PAGE, cursor: pageParam }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((item) => !isFinal(item))) ? 3_000 : false,
  });

export const experimentOne = (id: string) =>
  queryOptions({
    queryKey: experimentKeys.one(id),
    queryFn: ({ signal }) => unwrap(getExperiment({ path: { experiment_id: id }, signal })),
  });

export const experimentTrials = (id: string) =>
  queryOptions({
    queryKey: experimentKeys.trials(id),
    queryFn: ({ signal }) =>
      readAll((cursor) =>
        unwrap(listTrials({ path: { experiment_id: id }, query: { limit: TRIALS_PAGE, cursor }, signal })),
      ),
  });

export const trialOne = (id: string, number: number) =>
  queryOptions({
    queryKey: experimentKeys.trial(id, number),
    queryFn: ({ signal }) => unwrap(getTrial({ path: { experiment_id: id, number }, signal })),
  });

export const algorithmList = () =>
  queryOptions({
    queryKey: ["algorithms"],
    queryFn: async ({ signal }) => (await unwrap(listAlgorithms({ signal }))).items,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const suggestion = (request: SuggestionRequest) =>
  queryOptions({
    queryKey: ["suggestions", request],
    queryFn: ({ signal }) => unwrap(suggestExperiment({ body: request, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** Makes an experiment; the key is the caller's, so that a repeat of the same request makes no second one. */
export const makeExperiment = (body: ExperimentCreate, key: string = newKey()) =>
  unwrap(createExperiment({ body, headers: { "Idempotency-Key": key } }));

export const pause = (id: string) => unwrap(pauseExperiment({ path: { experiment_id: id } }));
export const resume = (id: string) => unwrap(resumeExperiment({ path: { experiment_id: id } }));
export const stop = (id: string) => unwrap(stopExperiment({ path: { experiment_id: id } }));
export const removeExperiment = (id: string) => unwrap(deleteExperiment({ path: { experiment_id: id } }));
export const eventsUrl = (id: string) => `/api/v1/experiments/${encodeURIComponent(id)}/events`;
