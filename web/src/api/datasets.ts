import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import {
  deleteDataset,
  getDataset,
  listDatasets,
  listSamples,
  previewDataset,
  profileDataset,
  useSample as takeSample,
} from "./generated";
import { unwrap } from "./http";

const PAGE = 50;

export const datasetKeys = {
  all: ["datasets"] as const,
  list: () => [...datasetKeys.all, "list"] as const,
  versions: (name: string) => [...datasetKeys.all, "versions", name] as const,
  one: (id: string) => [...datasetKeys.all, "one", id] as const,
  profile: (id: string) => [...datasetKeys.one(id), "profile"] as const,
  preview: (id: string, limit: number) => [...datasetKeys.one(id), "preview", limit] as const,
};

export const datasetList = () =>
  infiniteQueryOptions({
    queryKey: datasetKeys.list(),
    queryFn: ({ pageParam, signal }) =>
      unwrap(listDatasets({ query: { limit: PAGE, cursor: pageParam }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((item) => item.state === "parsing"))
        ? 2_000
        : false,
  });

export const datasetVersions = (name: string) =>
  queryOptions({
    queryKey: datasetKeys.versions(name),
    queryFn: async ({ signal }) =>
      (await unwrap(listDatasets({ query: { name, limit: 100 }, signal }))).items,
  });

export const datasetOne = (id: string) =>
  queryOptions({
    queryKey: datasetKeys.one(id),
    queryFn: ({ signal }) => unwrap(getDataset({ path: { dataset_id: id }, signal })),
    refetchInterval: (query) => (query.state.data?.state === "parsing" ? 1_000 : false),
  });

export const datasetProfile = (id: string) =>
  queryOptions({
    queryKey: datasetKeys.profile(id),
    queryFn: ({ signal }) => unwrap(profileDataset({ path: { dataset_id: id }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const datasetPreview = (id: string, limit: number) =>
  queryOptions({
    queryKey: datasetKeys.preview(id, limit),
    queryFn: ({ signal }) => unwrap(previewDataset({ path: { dataset_id: id }, query: { limit }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const sampleList = () =>
  queryOptions({
    queryKey: ["samples"],
    queryFn: async ({ signal }) => (await unwrap(listSamples({ signal }))).items,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const addSample = (name: string) => unwrap(takeSample({ path: { name } }));

export const removeDataset = (id: string) => unwrap(deleteDataset({ path: { dataset_id: id } }));

export const datasetContentUrl = (id: string) => `/api/v1/datasets/${encodeURIComponent(id)}/content`;
