import { queryOptions } from "@tanstack/react-query";
import { getSystem } from "./generated";
import { unwrap } from "./http";

export const systemStatus = () =>
  queryOptions({
    queryKey: ["system"],
    queryFn: ({ signal }) => unwrap(getSystem({ signal })),
    // Out of reach, it is asked for more often: the page should know soon when all is well again.
    refetchInterval: (query) => (query.state.status === "error" ? 2_000 : 8_000),
    retry: false,
  });
