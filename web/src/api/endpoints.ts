import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import {
  deleteEndpoint,
  type Endpoint,
  type EndpointPut,
  getEndpoint,
  getEndpointSchema,
  listEndpoints,
  predict,
  putEndpoint,
} from "./generated";
import { unwrap } from "./http";

export const endpointKeys = {
  all: ["endpoints"] as const,
  list: () => [...endpointKeys.all, "list"] as const,
  one: (name: string) => [...endpointKeys.all, "one", name] as const,
  schema: (name: string, digest: string) => [...endpointKeys.one(name), "schema", digest] as const,
};

/** Whether something is on its way: what answers is not yet what was asked for. */
export function isChanging(endpoint: Endpoint): boolean {
  return endpoint.state === "loading" || endpoint.target.state === "loading";
}

export const endpointList = () =>
  infiniteQueryOptions({
    queryKey: endpointKeys.list(),
    queryFn: ({ pageParam, signal }) =>
      unwrap(listEndpoints({ query: { limit: 50, cursor: pageParam }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some(isChanging)) ? 1_500 : 15_000,
  });

export const endpointOne = (name: string) =>
  queryOptions({
    queryKey: endpointKeys.one(name),
    queryFn: ({ signal }) => unwrap(getEndpoint({ path: { name }, signal })),
    refetchInterval: (query) => (query.state.data && isChanging(query.state.data) ? 500 : 10_000),
  });

/** What to send; asked for anew when another model answers (its digest is part of the key). */
export const endpointSchema = (name: string, digest: string) =>
  queryOptions({
    queryKey: endpointKeys.schema(name, digest),
    queryFn: ({ signal }) => unwrap(getEndpointSchema({ path: { name }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const setEndpoint = (name: string, body: EndpointPut) => unwrap(putEndpoint({ path: { name }, body }));
export const removeEndpoint = (name: string) => unwrap(deleteEndpoint({ path: { name } }));
export const askEndpoint = (name: string, instances: Record<string, unknown>[], signal?: AbortSignal) =>
  unwrap(predict({ path: { name }, body: { instances }, signal: signal ?? null }));
export const predictPath = (name: string) => `/api/v1/endpoints/${encodeURIComponent(name)}/predict`;
