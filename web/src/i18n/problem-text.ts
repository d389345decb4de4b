import { useTranslation } from "react-i18next";
import { type ApiProblem, OFFLINE, toProblem } from "@/api/problem";

export interface ProblemText {
  /** What happened, in the language of the page. */
  message: string;
  /** The server's own sentence, where it says more. */
  detail: string | null;
  items: string[];
  requestId: string | null;
}

/** Words an error of any kind; a code without a translation falls back to the server's sentence. */
export function useProblemText(error: unknown): ProblemText {
  const { t, i18n } = useTranslation();
  const problem: ApiProblem =
    error instanceof Error && error.name !== "ApiProblem" ? toProblem(null, 500) : toProblem(error);
  const key = `errors.${problem.code}`;
  const known = i18n.exists(key);
  const message = known
    ? (t as (key: string) => string)(key)
    : problem.detail || (t as (key: string) => string)("errors.internal");
  return {
    message,
    detail: known && problem.detail && problem.detail !== message ? problem.detail : null,
    items: problem.errors.map((item) => item.detail).filter((detail) => detail !== problem.detail),
    requestId: problem.code === OFFLINE || problem.status < 500 ? null : problem.requestId,
  };
}
