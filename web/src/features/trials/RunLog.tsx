import { Box, Button, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { runLogs } from "@/api/runs";
import { EmptyState } from "@/ui/EmptyState";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { useFormat } from "@/ui/use-format";
import classes from "./Trials.module.css";

/** The log of a run, as its worker wrote it. */
export function RunLog({ runId, live }: { runId: string; live: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useInfiniteQuery(runLogs(runId, live));
  if (query.isError && !query.data)
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton height={240} />;
  const lines = query.data.pages.flatMap((page) => page.items);
  if (lines.length === 0) {
    return <EmptyState title={t("trials.noLog")} hint={t(live ? "trials.noLogYet" : "trials.noLogHint")} />;
  }
  return (
    <>
      <Box className={classes.log} tabIndex={0} role="log" aria-label={t("trials.log")} aria-live="off">
        {lines.map((line) => (
          <div key={line.seq} data-level={line.level}>
            <time dateTime={line.at} title={format.instant(line.at)}>
              {clock(format.language, line.at)}
            </time>
            <span>{line.message}</span>
          </div>
        ))}
      </Box>
      {query.hasNextPage && (
        <Button
          variant="default"
          size="xs"
          mt="sm"
          loading={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {t("common.more")}
        </Button>
      )}
    </>
  );
}

function clock(language: string, at: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: "medium", hourCycle: "h23" }).format(new Date(at));
}
