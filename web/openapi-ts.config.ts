import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: process.env.MELON_OPENAPI ?? "../docs/openapi.json",
  output: "src/api/generated",
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
});
