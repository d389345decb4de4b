// Fails the build when what the first page loads outgrows its budget. The first load is every script that the
// entry pulls in statically, and one language with its texts (the larger one counts).
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 260;
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const manifest = JSON.parse(readFileSync(join(dist, ".vite", "manifest.json"), "utf8"));
const entries = Object.values(manifest);
const size = (chunk) => gzipSync(readFileSync(join(dist, chunk.file)), { level: 9 }).length;

function closure(start) {
  const seen = new Set();
  const visit = (chunk) => {
    if (seen.has(chunk)) return;
    seen.add(chunk);
    for (const name of chunk.imports ?? []) visit(manifest[name]);
  };
  start.forEach(visit);
  return seen;
}

const entry = entries.find((chunk) => chunk.isEntry);
const home = entries.filter((chunk) => chunk.src?.startsWith("src/routes/index.tsx"));
const languages = entries.filter((chunk) => /src\/i18n\/\w+\/index\.ts$/.test(chunk.src ?? ""));
if (!entry || home.length === 0 || languages.length === 0)
  throw new Error("the manifest has not the chunks expected");
const largest = languages.reduce((one, other) => (size(one) > size(other) ? one : other));
const first = [...closure([entry, ...home, largest])].filter((chunk) => chunk.file.endsWith(".js"));
const total = first.reduce((sum, chunk) => sum + size(chunk), 0) / 1000;
const charts = first.filter((chunk) => /echart/i.test(chunk.file));

console.log(
  `first load: ${total.toFixed(1)} kB gzip of JavaScript in ${first.length} files (limit ${LIMIT_KB})`,
);
if (charts.length > 0)
  throw new Error("the charts are part of the first load; they must stay in a chunk of their own");
if (total > LIMIT_KB) {
  for (const chunk of first)
    console.error(`  ${(size(chunk) / 1000).toFixed(1).padStart(7)} kB  ${chunk.file}`);
  process.exit(1);
}
