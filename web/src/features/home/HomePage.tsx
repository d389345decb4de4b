import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { datasetList } from "@/api/datasets";
import { endpointList } from "@/api/endpoints";
import { experimentList } from "@/api/experiments";
import { EndpointTable } from "@/features/endpoints/EndpointTable";
import { ExperimentTable } from "@/features/experiments/ExperimentTable";
import { SampleList } from "@/features/uploads/SampleList";
import { UploadZone } from "@/features/uploads/UploadZone";
import { EmptyState } from "@/ui/EmptyState";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Section } from "@/ui/Section";

const RECENT = 5;

/** What to do next, and what was done last. */
export function HomePage() {
  const { t } = useTranslation();
  const datasets = useInfiniteQuery(datasetList());
  const experiments = useInfiniteQuery(experimentList());
  const endpoints = useInfiniteQuery(endpointList());
  const recentExperiments = experiments.data?.pages[0]?.items.slice(0, RECENT);
  const recentEndpoints = endpoints.data?.pages[0]?.items.slice(0, RECENT);
  const latest = datasets.data?.pages[0]?.items.find((dataset) => dataset.state === "ready");
  const fresh = recentExperiments?.length === 0;

  return (
    <Page title={t("home.title")} subtitle={t("home.subtitle")}>
      <Section title={t(latest ? "home.another" : "home.start")}>
        <UploadZone />
        {fresh && datasets.data && (
          <SampleList taken={datasets.data.pages[0]?.items.map((dataset) => dataset.name)} />
        )}
      </Section>
      <Section
        title={t("home.experiments")}
        aside={!fresh && <AnchorLink to="/experiments">{t("home.all")}</AnchorLink>}
      >
        {experiments.isError && !experiments.data ? (
          <ProblemAlert error={experiments.error} onRetry={() => void experiments.refetch()} />
        ) : fresh ? (
          <EmptyState title={t("home.noExperiments")} hint={t(latest ? "home.tuneHint" : "home.uploadHint")}>
            {latest && (
              <ButtonLink to="/experiments/new" search={{ dataset: latest.id }}>
                {t("home.tune", { name: latest.name })}
              </ButtonLink>
            )}
          </EmptyState>
        ) : (
          <ExperimentTable rows={recentExperiments} />
        )}
      </Section>
      <Section
        title={t("home.endpoints")}
        aside={recentEndpoints?.length !== 0 && <AnchorLink to="/endpoints">{t("home.all")}</AnchorLink>}
      >
        {endpoints.isError && !endpoints.data ? (
          <ProblemAlert error={endpoints.error} onRetry={() => void endpoints.refetch()} />
        ) : recentEndpoints?.length === 0 ? (
          <EmptyState title={t("home.noEndpoints")} hint={t("home.endpointHint")} />
        ) : (
          <EndpointTable rows={recentEndpoints} />
        )}
      </Section>
    </Page>
  );
}
