import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { listRunArtifacts, readRunLogs, readRunMetrics } from "./generated";
import { unwrap } from "./http";

export const runKeys = {
  one: (id: string) => ["runs", id] as const,
  logs: (id: string) => [...runKeys.one(id), "logs"] as const,
  artifacts: (id: string) => [...runKeys.one(id), "artifacts"] as const,
  metrics: (id: string) => [...runKeys.one(id), "metrics"] as const,
};

/** The log of a run, page after page; `live` asks again while lines still come. */
export const runLogs = (id: string, live: boolean) =>
  infiniteQueryOptions({
    queryKey: runKeys.logs(id),
    queryFn: ({ pageParam, signal }) =>
      unwrap(readRunLogs({ path: { run_id: id }, query: { limit: 500, cursor: pageParam }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: live ? 3_000 : false,
  });

export const runArtifacts = (id: string) =>
  queryOptions({
    queryKey: runKeys.artifacts(id),
    queryFn: async ({ signal }) => (await unwrap(listRunArtifacts({ path: { run_id: id }, signal }))).items,
  });

/** The series of a run; `live` asks again while points still come. */
export const runMetrics = (id: string, live: boolean) =>
  queryOptions({
    queryKey: runKeys.metrics(id),
    queryFn: async ({ signal }) => (await unwrap(readRunMetrics({ path: { run_id: id }, signal }))).items,
    refetchInterval: live ? 10_000 : false,
  });

export const artifactUrl = (id: string, path: string) =>
  `/api/v1/runs/${encodeURIComponent(id)}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`;
