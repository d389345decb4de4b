import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import {
  createModelVersion,
  deleteModel,
  deleteModelAlias,
  deleteModelVersion,
  getModel,
  listModels,
  listModelVersions,
  putModelAlias,
} from "./generated";
import { readAll, unwrap } from "./http";

export const modelKeys = {
  all: ["models"] as const,
  list: () => [...modelKeys.all, "list"] as const,
  one: (name: string) => [...modelKeys.all, "one", name] as const,
  versions: (name: string) => [...modelKeys.one(name), "versions"] as const,
};

export const modelList = () =>
  infiniteQueryOptions({
    queryKey: modelKeys.list(),
    queryFn: ({ pageParam, signal }) =>
      unwrap(listModels({ query: { limit: 50, cursor: pageParam }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const modelOne = (name: string) =>
  queryOptions({
    queryKey: modelKeys.one(name),
    queryFn: ({ signal }) => unwrap(getModel({ path: { name }, signal })),
  });

/** Every version of a model, the newest first. */
export const modelVersions = (name: string) =>
  queryOptions({
    queryKey: modelKeys.versions(name),
    queryFn: async ({ signal }) => {
      const versions = await readAll((cursor) =>
        unwrap(listModelVersions({ path: { name }, query: { limit: 100, cursor }, signal })),
      );
      return versions.sort((one, other) => other.version - one.version);
    },
  });

export const registerVersion = (name: string, runId: string) =>
  unwrap(createModelVersion({ path: { name }, body: { run_id: runId } }));
export const removeModel = (name: string) => unwrap(deleteModel({ path: { name } }));
export const removeModelVersion = (name: string, version: number) =>
  unwrap(deleteModelVersion({ path: { name, version } }));
export const setAlias = (name: string, alias: string, version: number) =>
  unwrap(putModelAlias({ path: { name, alias }, body: { version } }));
export const removeAlias = (name: string, alias: string) =>
  unwrap(deleteModelAlias({ path: { name, alias } }));
export const modelDownloadUrl = (name: string, version: number) =>
  `/api/v1/models/${encodeURIComponent(name)}/versions/${version}/download`;
