/** A name that may stand in an address (RFC 1123 label), made of any name; empty when nothing of it can. */
export function toSlug(name: string): string {
  return name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 63)
    .replace(/-+$/, "");
}

/** The same, never empty, and none of those that are taken. */
export function suggestSlug(name: string, taken: ReadonlySet<string> = new Set()): string {
  const first = toSlug(name) || "model";
  let slug = first;
  for (let number = 2; taken.has(slug); number++) {
    const end = `-${number}`;
    slug = first.slice(0, 63 - end.length).replace(/-+$/, "") + end;
  }
  return slug;
}

export function isSlug(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}
