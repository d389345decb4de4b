import type { Column, ProblemItem } from "@/api/generated";
import { pointerParts } from "@/api/problem";
import { parseNumber } from "@/features/tune/space-form";

export type Row = Record<string, string>;
export type CellValue = string | number | boolean | null;

/** What a cell of an example row looks like in the form; a missing value is an empty field. */
export function cellToText(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

/** The form's texts for a row of the training data; moments without the fractions of a second that nobody typed. */
export function rowToForm(features: readonly Column[], example: Record<string, unknown>): Row {
  return Object.fromEntries(
    features.map((column) => {
      const text = cellToText(example[column.name]);
      return [column.name, column.dtype === "timestamp" ? text.replace(/\.0+Z$/, "Z") : text];
    }),
  );
}

/**
 * What is sent for a text of the form: nothing typed is a missing value, and what is stored as a number is sent as one.
 * A text that is no number is sent as it is: the server then says what is wrong with it.
 */
export function textToCell(column: Column, text: string): CellValue {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (column.dtype === "int64" || column.dtype === "float64") return parseNumber(trimmed) ?? text;
  if (column.dtype === "boolean") return trimmed === "true" ? true : trimmed === "false" ? false : text;
  return text;
}

export function formToRow(features: readonly Column[], form: Row): Record<string, CellValue> {
  return Object.fromEntries(
    features.map((column) => [column.name, textToCell(column, form[column.name] ?? "")]),
  );
}

/** The server's faults of the one row that was sent, by field; those that name no field come second. */
export function faultsOfRow(items: readonly ProblemItem[]): {
  fields: Record<string, ProblemItem>;
  others: ProblemItem[];
} {
  const fields: Record<string, ProblemItem> = {};
  const others: ProblemItem[] = [];
  for (const item of items) {
    const [root, , name] = pointerParts(item.pointer);
    if (root === "instances" && name !== undefined) fields[name] ??= item;
    else others.push(item);
  }
  return { fields, others };
}

/** The features whose value in a row that was sent is none of the categories that training saw. */
export function unseenFeatures(
  features: readonly Column[],
  row: Readonly<Record<string, CellValue>>,
): string[] {
  return features
    .filter(({ name, categories }) => {
      const cell = row[name];
      return categories != null && cell != null && !categories.includes(String(cell));
    })
    .map(({ name }) => name);
}

/** Quotes a text for a POSIX shell. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function curlLine(url: string, row: Record<string, CellValue>): string {
  const body = JSON.stringify({ instances: [row] });
  return `curl -sS ${shellQuote(url)} -H 'Content-Type: application/json' -d ${shellQuote(body)}`;
}

/** A JSON value as Python writes it. */
export function pythonLiteral(value: CellValue): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  // JSON's escapes are all Python's too.
  return JSON.stringify(value);
}

export function pythonCode(url: string, row: Record<string, CellValue>): string {
  const cells = Object.entries(row).map(
    ([name, value]) => `    ${JSON.stringify(name)}: ${pythonLiteral(value)},`,
  );
  return [
    "import json",
    "import urllib.request",
    "",
    "row = {",
    ...cells,
    "}",
    "request = urllib.request.Request(",
    `    ${JSON.stringify(url)},`,
    '    data=json.dumps({"instances": [row]}).encode(),',
    '    headers={"Content-Type": "application/json"},',
    ")",
    "with urllib.request.urlopen(request) as answer:",
    "    print(json.load(answer))",
  ].join("\n");
}

/** Probabilities, the most likely first. */
export function rankedProbabilities(probabilities: Record<string, number>): [name: string, share: number][] {
  return Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
}
