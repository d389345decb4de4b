// Fails when the committed client is not what the committed OpenAPI document generates.
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@hey-api/openapi-ts";

const committed = "src/api/generated";
const fresh = mkdtempSync(join("node_modules", ".api-drift-"));
try {
  await createClient({
    input: "../docs/openapi.json",
    output: fresh,
    plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
    logs: { level: "silent" },
  });
  const files = (folder) =>
    new Map(
      globSync("**/*.ts", { cwd: folder }).map((file) => [file, readFileSync(join(folder, file), "utf8")]),
    );
  const [expected, found] = [files(fresh), files(committed)];
  const names = new Set([...expected.keys(), ...found.keys()]);
  const drifted = [...names].filter((name) => expected.get(name) !== found.get(name));
  if (drifted.length > 0) {
    console.error(`the client does not fit docs/openapi.json; run: npm run api\n  ${drifted.join("\n  ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
