import { queryOptions } from "@tanstack/react-query";
import { getSystem } from "./generated";
import { unwrap } from "./http";

export const systemStatus = () =>
  queryOptions({
    queryKey: ["system"],
    queryFn: ({ signal }) => unwrap(getSystem({ signal })),
    refetchInterval: 10_000,
    retry: false,
  });
