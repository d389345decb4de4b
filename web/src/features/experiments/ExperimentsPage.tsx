import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { experimentList } from "@/api/experiments";
import { EmptyState } from "@/ui/EmptyState";
import { ListFrame } from "@/ui/ListFrame";
import { ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ExperimentTable } from "./ExperimentTable";

/** Every experiment, the newest first. */
export function ExperimentsPage() {
  const { t } = useTranslation();
  const query = useInfiniteQuery(experimentList());
  return (
    <Page
      title={t("experiments.title")}
      subtitle={t("experiments.subtitle")}
      actions={<ButtonLink to="/experiments/new">{t("experiments.new")}</ButtonLink>}
    >
      <ListFrame
        query={query}
        empty={
          <EmptyState title={t("experiments.empty")} hint={t("experiments.emptyHint")}>
            <ButtonLink to="/datasets" variant="default">
              {t("experiments.toDatasets")}
            </ButtonLink>
          </EmptyState>
        }
      >
        {(rows) => <ExperimentTable rows={rows} />}
      </ListFrame>
    </Page>
  );
}
