import { Button, Select, Skeleton, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { datasetList, datasetOne } from "@/api/datasets";
import { EmptyState } from "@/ui/EmptyState";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { TuneDataset } from "./TuneDataset";

/** A new experiment: first the table, then what to predict, then (if one likes) everything else. */
export function TunePage({
  datasetId,
  target,
}: {
  datasetId: string | undefined;
  target: string | undefined;
}) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  // The address keeps what was chosen, for whoever comes back or loads the page again.
  const choose = (chosen: string | undefined) =>
    void navigate({
      to: "/experiments/new",
      search: { dataset: datasetId, target: chosen },
      replace: true,
      resetScroll: false,
    });
  return datasetId ? (
    <WithDataset id={datasetId} target={target} onTarget={choose} />
  ) : (
    <Page title={t("tune.title")}>
      <ChooseDataset />
    </Page>
  );
}

function ChooseDataset() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const query = useInfiniteQuery(datasetList());
  if (query.isError && !query.data)
    return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Skeleton height={64} />;
  const ready = query.data.pages.flatMap((page) => page.items).filter((dataset) => dataset.state === "ready");
  if (ready.length === 0) {
    return (
      <EmptyState title={t("tune.noDatasets")} hint={t("tune.noDatasetsHint")}>
        <ButtonLink to="/datasets">{t("experiments.toDatasets")}</ButtonLink>
      </EmptyState>
    );
  }
  return (
    <Stack maw={420} gap="sm">
      <Select
        label={t("tune.dataset")}
        description={t("tune.datasetHint")}
        searchable
        nothingFoundMessage={t("tune.nothingFound")}
        data={ready.map((dataset) => ({
          value: dataset.id,
          label: t("datasets.nameVersion", { name: dataset.name, version: dataset.version }),
        }))}
        onChange={(value) => {
          if (value) void navigate({ to: "/experiments/new", search: { dataset: value } });
        }}
      />
      {query.hasNextPage && (
        <Button
          variant="default"
          loading={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {t("common.more")}
        </Button>
      )}
    </Stack>
  );
}

interface WithDatasetProps {
  id: string;
  target: string | undefined;
  onTarget: (target: string | undefined) => void;
}

function WithDataset({ id, target, onTarget }: WithDatasetProps) {
  const { t } = useTranslation();
  const query = useQuery(datasetOne(id));
  const dataset = query.data;
  return (
    <Page
      title={t("tune.title")}
      subtitle={
        dataset && (
          <>
            {t("tune.on")}{" "}
            <AnchorLink to="/datasets/$datasetId" params={{ datasetId: dataset.id }}>
              {dataset.name}
            </AnchorLink>{" "}
            {t("common.version", { version: dataset.version })}
          </>
        )
      }
    >
      {query.isError && !dataset ? (
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()}>
          <ButtonLink to="/experiments/new" size="xs" variant="default">
            {t("tune.chooseOther")}
          </ButtonLink>
        </ProblemAlert>
      ) : !dataset ? (
        <Skeleton height={64} maw={420} />
      ) : dataset.state === "ready" ? (
        <TuneDataset dataset={dataset} initialTarget={target} onTarget={onTarget} />
      ) : (
        <Text>
          {t(dataset.state === "parsing" ? "datasets.parsing" : "datasets.failed")}{" "}
          <AnchorLink to="/datasets/$datasetId" params={{ datasetId: dataset.id }}>
            {t("tune.lookAtDataset")}
          </AnchorLink>
        </Text>
      )}
    </Page>
  );
}
