import { client } from "./generated/client.gen";
import { toProblem } from "./problem";

client.setConfig({ baseUrl: "" });
client.interceptors.error.use((error, response) => toProblem(error, response?.status));

interface Answered<T> {
  data?: T | undefined;
  error?: unknown;
}

/** The body of an answer; throws the ApiProblem of a failed call. */
export async function unwrap<T>(call: Promise<Answered<T>>): Promise<T> {
  const answer = await call;
  if (answer.error !== undefined) throw toProblem(answer.error);
  return answer.data as T;
}

interface PageOf<T> {
  items: T[];
  next_cursor?: string | null;
}

/** Reads a list to its end, page after page. */
export async function readAll<T>(read: (cursor: string | undefined) => Promise<PageOf<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

/** A random key for `Idempotency-Key`; also where the page is not served securely and `randomUUID` is absent. */
export function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
