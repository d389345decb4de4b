import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { modelList } from "@/api/models";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { NONE } from "@/ui/format";
import { ListFrame } from "@/ui/ListFrame";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { useFormat } from "@/ui/use-format";
import { AliasMark } from "./AliasMark";

/** Every model. */
export function ModelsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useInfiniteQuery(modelList());
  return (
    <Page title={t("models.title")} subtitle={t("models.subtitle")}>
      <ListFrame
        query={query}
        empty={
          <EmptyState title={t("models.empty")} hint={t("models.emptyHint")}>
            <ButtonLink to="/experiments" variant="default">
              {t("models.toExperiments")}
            </ButtonLink>
          </EmptyState>
        }
      >
        {(rows) => (
          <DataTable
            label={t("models.title")}
            rows={rows}
            rowKey={(row) => row.name}
            columns={[
              {
                key: "name",
                title: t("fields.name"),
                render: (row) => (
                  <AnchorLink to="/models/$name" params={{ name: row.name }} fw={550}>
                    {row.name}
                  </AnchorLink>
                ),
              },
              {
                key: "latest",
                title: t("models.latest"),
                numeric: true,
                render: (row) =>
                  row.latest_version == null ? NONE : t("common.version", { version: row.latest_version }),
              },
              {
                key: "versions",
                title: t("models.versions"),
                numeric: true,
                render: (row) => format.count(row.versions ?? 0),
              },
              {
                key: "aliases",
                title: t("models.aliases"),
                render: (row) => {
                  const aliases = Object.entries(row.aliases ?? {});
                  return aliases.length === 0
                    ? NONE
                    : aliases.map(([alias, version]) => (
                        <AliasMark key={alias} alias={alias} version={version} />
                      ));
                },
              },
              {
                key: "created",
                title: t("fields.created"),
                width: 130,
                render: (row) => <Ago at={row.created_at} />,
              },
            ]}
          />
        )}
      </ListFrame>
    </Page>
  );
}
