/** Readers of what stands in an address after `?`: a value that is not as expected counts as absent. */
type Search = Record<string, unknown>;

export function oneOf<const T extends string>(
  search: Search,
  key: string,
  values: readonly T[],
): T | undefined {
  return values.find((value) => value === search[key]);
}

export function someOf<const T extends string>(
  search: Search,
  key: string,
  values: readonly T[],
): T[] | undefined {
  const given = search[key];
  if (!Array.isArray(given)) return undefined;
  const known = values.filter((value) => given.includes(value));
  return known.length > 0 ? known : undefined;
}

/** A text; a number or a truth value that the router has read out of the text is one too. */
export function text(search: Search, key: string): string | undefined {
  const value = search[key];
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

export function positive(search: Search, key: string): number | undefined {
  const value = search[key];
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

export function flag(search: Search, key: string): boolean | undefined {
  const value = search[key];
  return typeof value === "boolean" ? value : undefined;
}

/** The same without what is undefined, so that the address stays short. */
export function compact<T extends Search>(search: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as never;
}
