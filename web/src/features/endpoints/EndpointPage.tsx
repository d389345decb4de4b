import { Button, Menu, Skeleton, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ArrowLeftRight, EllipsisVertical, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { endpointKeys, endpointOne, isChanging, removeEndpoint } from "@/api/endpoints";
import type { Endpoint } from "@/api/generated";
import { Ago } from "@/ui/Ago";
import { Confirm } from "@/ui/Confirm";
import { CopyButton } from "@/ui/CopyButton";
import { EmptyState } from "@/ui/EmptyState";
import { Facts } from "@/ui/Facts";
import { NONE } from "@/ui/format";
import { AnchorLink, ButtonLink } from "@/ui/links";
import { Notice } from "@/ui/Notice";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Said } from "@/ui/Said";
import { StateMark } from "@/ui/StateMark";
import { useFormat } from "@/ui/use-format";
import { PredictPanel } from "./PredictPanel";
import { SwitchDialog } from "./SwitchDialog";

/** One endpoint: what answers now, what is coming, and a place to try it. */
export function EndpointPage({ name }: { name: string }) {
  const { t } = useTranslation();
  const query = useQuery(endpointOne(name));
  if (query.isError && !query.data) {
    return (
      <Page title={name}>
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()}>
          <ButtonLink to="/endpoints" size="xs" variant="default">
            {t("endpoints.back")}
          </ButtonLink>
        </ProblemAlert>
      </Page>
    );
  }
  const endpoint = query.data;
  return (
    <Page
      title={name}
      badge={
        endpoint && (
          <span data-testid="endpoint-state">
            <StateMark state={endpoint.state} />
          </span>
        )
      }
      subtitle={t("endpoints.one")}
      actions={endpoint && <EndpointActions endpoint={endpoint} />}
    >
      {endpoint ? (
        <Loaded endpoint={endpoint} />
      ) : (
        <>
          <Skeleton height={56} mb="lg" />
          <Skeleton height={360} />
        </>
      )}
    </Page>
  );
}

function Loaded({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Facts
        items={[
          [
            t("endpoints.answersNow"),
            endpoint.model && endpoint.version ? (
              <AnchorLink
                key="model"
                to="/models/$name"
                params={{ name: endpoint.model }}
                search={{ version: endpoint.version }}
                fw={550}
              >
                {t("endpoints.modelVersion", { model: endpoint.model, version: endpoint.version })}
              </AnchorLink>
            ) : (
              NONE
            ),
          ],
          [
            t("endpoints.follows"),
            endpoint.target.alias
              ? t("endpoints.alias", { alias: endpoint.target.alias })
              : t("endpoints.pinned"),
          ],
          [
            t("fields.digest"),
            endpoint.digest ? (
              <span key="digest" style={{ display: "inline-flex", alignItems: "center", gap: 2 }}>
                <code title={endpoint.digest}>{endpoint.digest.slice(0, 12)}</code>
                <CopyButton
                  value={endpoint.digest}
                  label={t("common.copyOf", { name: t("fields.digest") })}
                />
              </span>
            ) : (
              NONE
            ),
          ],
          [
            t("endpoints.generation"),
            t("endpoints.generationOf", {
              observed: format.count(endpoint.observed_generation),
              asked: format.count(endpoint.generation),
            }),
          ],
          [t("fields.updated"), <Ago key="updated" at={endpoint.updated_at} />],
        ]}
      />
      <Coming endpoint={endpoint} />
      {endpoint.state === "ready" && endpoint.digest ? (
        <PredictPanel name={endpoint.name} digest={endpoint.digest} />
      ) : endpoint.state === "loading" ? (
        <>
          <Text c="dimmed" role="status" mb="md">
            {t("endpoints.loadingHint")}
          </Text>
          <Skeleton height={320} />
        </>
      ) : (
        <EmptyState title={t("endpoints.nothingAnswers")} hint={t("endpoints.nothingAnswersHint")} />
      )}
    </>
  );
}

function Coming({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const { target } = endpoint;
  const what = target.version
    ? t("endpoints.modelVersion", { model: target.model, version: target.version })
    : target.model;
  if (target.state === "failed") {
    return (
      <Notice
        tone="problem"
        title={t(endpoint.model ? "endpoints.switchFailed" : "endpoints.loadFailed", { what })}
      >
        {target.reason && <Said>{target.reason}</Said>}
      </Notice>
    );
  }
  if (endpoint.model && isChanging(endpoint)) {
    return <Notice tone="status">{t("endpoints.switching", { what })}</Notice>;
  }
  return null;
}

function EndpointActions({ endpoint }: { endpoint: Endpoint }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [dialog, setDialog] = useState<"switch" | "delete" | null>(null);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px={8} aria-label={t("common.moreActions")}>
            <EllipsisVertical size={16} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            c="var(--mantine-color-error)"
            leftSection={<Trash2 size={14} aria-hidden />}
            onClick={() => setDialog("delete")}
          >
            {t("common.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button
        variant="default"
        leftSection={<ArrowLeftRight size={15} aria-hidden />}
        onClick={() => setDialog("switch")}
      >
        {t("endpoints.switchVersion")}
      </Button>
      <SwitchDialog endpoint={endpoint} opened={dialog === "switch"} onClose={() => setDialog(null)} />
      <Confirm
        opened={dialog === "delete"}
        onClose={() => setDialog(null)}
        title={t("endpoints.deleteTitle")}
        text={t("endpoints.deleteText", { name: endpoint.name })}
        action={t("common.delete")}
        danger
        run={() => removeEndpoint(endpoint.name)}
        onDone={() => {
          queries.removeQueries({ queryKey: endpointKeys.one(endpoint.name) });
          void queries.invalidateQueries({ queryKey: endpointKeys.list() });
          void navigate({ to: "/endpoints" });
        }}
      />
    </>
  );
}
