import { useTranslation } from "react-i18next";
import type { ProblemItem } from "@/api/generated";
import { type ApiProblem, OFFLINE, pointerParts, toProblem } from "@/api/problem";

export interface ProblemText {
  /** What happened, in the language of the page. */
  message: string;
  /** The server's own sentence, where it says more. */
  detail: string | null;
  items: ProblemItem[];
  requestId: string | null;
}

export interface FaultText {
  /** What of the request is meant, by the names in it; null where the sentence itself says so. */
  where: string | null;
  text: string;
  /** The server's own sentence, where `text` is the page's. */
  said: string | null;
}

/** The page's own words for a code of the server; null for a code it does not know. */
function useCodeText(): (code: string) => string | null {
  const { t, i18n } = useTranslation();
  return (code) => {
    const key = `errors.${code}`;
    return i18n.exists(key) ? (t as (key: string) => string)(key) : null;
  };
}

/** Words one fault of several: the server's sentence in its own language, the page's and then the server's in another. */
export function useItemText(): (item: ProblemItem, words?: string) => FaultText {
  const { i18n } = useTranslation();
  const textOf = useCodeText();
  return ({ code, detail, pointer }, words) => {
    const known = i18n.language === "en" ? null : (words ?? textOf(code));
    if (!known) return { where: null, text: detail, said: null };
    return { where: pointerParts(pointer).join(" › ") || null, text: known, said: detail };
  };
}

/** Words an error of any kind; a code without a translation falls back to the server's sentence. */
export function useProblemText(error: unknown): ProblemText {
  const textOf = useCodeText();
  const problem: ApiProblem =
    error instanceof Error && error.name !== "ApiProblem" ? toProblem(null, 500) : toProblem(error);
  const known = textOf(problem.code);
  const message = known ?? (problem.detail || textOf("internal") || problem.code);
  return {
    message,
    detail: known && problem.detail && problem.detail !== message ? problem.detail : null,
    items: problem.errors.filter(({ detail }) => detail !== problem.detail),
    requestId: problem.code === OFFLINE || problem.status < 500 ? null : problem.requestId,
  };
}
