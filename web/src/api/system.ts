import { queryOptions } from "@tanstack/react-query";
import { getExecutor, getSystem } from "./generated";
import { unwrap } from "./http";

export const systemStatus = () =>
  queryOptions({
    queryKey: ["system"],
    queryFn: ({ signal }) => unwrap(getSystem({ signal })),
    // Out of reach, it is asked for more often: the page should know soon when all is well again.
    refetchInterval: (query) => (query.state.status === "error" ? 2_000 : 8_000),
    retry: false,
  });

/** Where workers run; on a cluster, its nodes and what they have left. */
export const executorInfo = () =>
  queryOptions({
    queryKey: ["executor"],
    queryFn: ({ signal }) => unwrap(getExecutor({ signal })),
    refetchInterval: 5_000,
    retry: false,
  });
