import { Button, Center } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ProblemAlert } from "./ProblemAlert";

interface InfiniteList<T> {
  data: { pages: { items: T[] }[] } | undefined;
  error: Error | null;
  isError: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

interface ListFrameProps<T> {
  query: InfiniteList<T>;
  /** What to show while there is nothing. */
  empty: ReactNode;
  children: (rows: T[] | undefined) => ReactNode;
}

/** A list read page by page: its failure, its empty state, its rows, and the way to more. */
export function ListFrame<T>({ query, empty, children }: ListFrameProps<T>) {
  const { t } = useTranslation();
  if (query.isError && !query.data)
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  const rows = query.data?.pages.flatMap((page) => page.items);
  if (rows?.length === 0) return empty;
  return (
    <>
      {children(rows)}
      {query.hasNextPage && (
        <Center mt="sm">
          <Button
            variant="default"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {t("common.more")}
          </Button>
        </Center>
      )}
    </>
  );
}
