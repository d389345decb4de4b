import type { Problem, ProblemItem } from "./generated";

/** Codes the page itself gives where no server answered. */
export const OFFLINE = "offline";
export const ABORTED = "aborted";

/** What a call failed with: the server's problem (RFC 9457), or one of the page's own. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly ProblemItem[];
  readonly requestId: string | null;

  constructor(problem: Pick<Problem, "status" | "code" | "detail" | "errors" | "request_id">) {
    super(problem.detail || problem.code);
    this.name = "ApiProblem";
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id ?? null;
  }

  /** Whether asking again later may help. */
  get transient(): boolean {
    return this.code === OFFLINE || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value;
}

/**
 * Turns whatever a failed call left behind into an ApiProblem.
 *
 * @param cause The parsed body of the answer, its text, or what `fetch` threw.
 * @param status The status of the answer; undefined when there was none.
 */
export function toProblem(cause: unknown, status?: number): ApiProblem {
  if (cause instanceof ApiProblem) return cause;
  if (isProblem(cause)) return new ApiProblem(cause);
  if (cause instanceof DOMException && cause.name === "AbortError") {
    return new ApiProblem({ status: 0, code: ABORTED, detail: "" });
  }
  if (status === undefined || status === 0) return new ApiProblem({ status: 0, code: OFFLINE, detail: "" });
  const code = status === 502 || status === 503 || status === 504 ? "upstream_unavailable" : "internal";
  return new ApiProblem({ status, code, detail: "" });
}

/** The members of a JSON pointer (RFC 6901), unescaped. */
export function pointerParts(pointer: string): string[] {
  if (pointer === "" || pointer === "/") return [];
  return pointer
    .replace(/^\//, "")
    .split("/")
    .map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
}
