import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { isChanging } from "@/api/endpoints";
import type { Endpoint } from "@/api/generated";
import { Ago } from "@/ui/Ago";
import { DataTable } from "@/ui/DataTable";
import { NONE } from "@/ui/format";
import { AnchorLink } from "@/ui/links";
import { StateMark } from "@/ui/StateMark";

/** Endpoints: what answers now, and what is coming. */
export function EndpointTable({ rows }: { rows: Endpoint[] | undefined }) {
  const { t } = useTranslation();
  return (
    <DataTable
      label={t("endpoints.title")}
      rows={rows}
      rowKey={(row) => row.name}
      columns={[
        {
          key: "name",
          title: t("fields.name"),
          render: (row) => (
            <AnchorLink to="/endpoints/$name" params={{ name: row.name }} fw={550}>
              {row.name}
            </AnchorLink>
          ),
        },
        {
          key: "state",
          title: t("fields.state"),
          width: 120,
          render: (row) => <StateMark state={row.state} />,
        },
        {
          key: "now",
          title: t("endpoints.answersNow"),
          render: (row) =>
            row.model && row.version
              ? t("endpoints.modelVersion", { model: row.model, version: row.version })
              : NONE,
        },
        {
          key: "coming",
          title: t("endpoints.coming"),
          render: (row) =>
            isChanging(row) || row.target.state === "failed" ? (
              <Text span size="sm">
                {row.target.version
                  ? t("endpoints.modelVersion", { model: row.target.model, version: row.target.version })
                  : row.target.model}
                {row.target.state === "failed" ? ` · ${t("states.failed")}` : ""}
              </Text>
            ) : (
              NONE
            ),
        },
        {
          key: "updated",
          title: t("fields.updated"),
          width: 130,
          render: (row) => <Ago at={row.updated_at} />,
        },
      ]}
    />
  );
}
