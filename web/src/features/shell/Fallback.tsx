import type { ErrorComponentProps } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/ui/EmptyState";
import { ButtonLink } from "@/ui/links";
import { Page } from "@/ui/Page";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** A page that broke. */
export function Failure({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  return (
    <Page title={t("fallback.failed")}>
      <ProblemAlert error={error} onRetry={reset}>
        <ButtonLink to="/" size="xs" variant="default">
          {t("fallback.home")}
        </ButtonLink>
      </ProblemAlert>
    </Page>
  );
}

/** An address where nothing is. */
export function NotFound() {
  const { t } = useTranslation();
  return (
    <Page title={t("fallback.notFound")}>
      <EmptyState title={t("fallback.nothingHere")} hint={t("fallback.nothingHereHint")}>
        <ButtonLink to="/">{t("fallback.home")}</ButtonLink>
      </EmptyState>
    </Page>
  );
}
