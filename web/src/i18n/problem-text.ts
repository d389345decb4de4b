import { useTranslation } from "react-i18next";
import type { ProblemItem } from "@/api/generated";
import { type ApiProblem, OFFLINE, toProblem } from "@/api/problem";

export interface ProblemText {
  /** What happened, in the language of the page. */
  message: string;
  /** The server's own sentence, where it says more. */
  detail: string | null;
  items: string[];
  requestId: string | null;
}

/** The page's own words for a code of the server; null for a code it does not know. */
function useCodeText(): (code: string) => string | null {
  const { t, i18n } = useTranslation();
  return (code) => {
    const key = `errors.${code}`;
    return i18n.exists(key) ? (t as (key: string) => string)(key) : null;
  };
}

/** Words one fault of several: the server's sentence, in another language than its own after the page's words. */
export function useItemText(): (item: Pick<ProblemItem, "code" | "detail">) => string {
  const { i18n } = useTranslation();
  const textOf = useCodeText();
  return ({ code, detail }) => {
    const known = i18n.language === "en" ? null : textOf(code);
    return known ? `${known} (${detail})` : detail;
  };
}

/** Words an error of any kind; a code without a translation falls back to the server's sentence. */
export function useProblemText(error: unknown): ProblemText {
  const textOf = useCodeText();
  const itemText = useItemText();
  const problem: ApiProblem =
    error instanceof Error && error.name !== "ApiProblem" ? toProblem(null, 500) : toProblem(error);
  const known = textOf(problem.code);
  const message = known ?? (problem.detail || textOf("internal") || problem.code);
  return {
    message,
    detail: known && problem.detail && problem.detail !== message ? problem.detail : null,
    items: problem.errors.filter(({ detail }) => detail !== problem.detail).map(itemText),
    requestId: problem.code === OFFLINE || problem.status < 500 ? null : problem.requestId,
  };
}
