import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { endpointList } from "@/api/endpoints";
import { EmptyState } from "@/ui/EmptyState";
import { ListFrame } from "@/ui/ListFrame";
import { ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { EndpointTable } from "./EndpointTable";

/** Every endpoint. */
export function EndpointsPage() {
  const { t } = useTranslation();
  const query = useInfiniteQuery(endpointList());
  return (
    <Page title={t("endpoints.title")} subtitle={t("endpoints.subtitle")}>
      <ListFrame
        query={query}
        empty={
          <EmptyState title={t("endpoints.empty")} hint={t("endpoints.emptyHint")}>
            <ButtonLink to="/experiments" variant="default">
              {t("models.toExperiments")}
            </ButtonLink>
          </EmptyState>
        }
      >
        {(rows) => <EndpointTable rows={rows} />}
      </ListFrame>
    </Page>
  );
}
