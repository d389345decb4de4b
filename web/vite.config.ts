import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { tanstackRouter } from "@tanstack/router-plugin/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const melon = process.env.MELON_URL ?? "http://127.0.0.1:8080";

/** The font's licence asks to stand beside the font. */
const fontLicence: Plugin = {
  name: "font-licence",
  apply: "build",
  generateBundle() {
    const source = readFileSync(
      new URL("./node_modules/pretendard/dist/LICENSE.txt", import.meta.url),
      "utf8",
    );
    this.emitFile({ type: "asset", fileName: "assets/Pretendard-LICENSE.txt", source });
  },
};

export default defineConfig({
  plugins: [
    tanstackRouter({
      target: "react",
      autoCodeSplitting: true,
      routesDirectory: "src/routes",
      generatedRouteTree: "src/route-tree.gen.ts",
      quoteStyle: "double",
      semicolons: true,
    }),
    react(),
    fontLicence,
  ],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    // The page is served under a policy that allows neither inline scripts nor data addresses for fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": { target: melon, changeOrigin: true } } },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["test/setup.ts"],
    restoreMocks: true,
    // A busy machine is no fault of the page.
    testTimeout: 30_000,
    // One jsdom for all files: each cleans up after itself, and making one takes longer than its tests.
    isolate: false,
  },
});
