import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRouter,
  RouterContextProvider,
} from "@tanstack/react-router";
import { type RenderResult, render } from "@testing-library/react";
import axe from "axe-core";
import type { ReactNode } from "react";
import { expect } from "vitest";
import { startI18n } from "@/i18n";
import { resolver, theme } from "@/theme/theme";
import "@/api/http";

export function testQueries(): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: Number.POSITIVE_INFINITY } } });
}

/** Renders a part of the page with all that stands around it, in English or Korean. */
export async function show(
  ui: ReactNode,
  { language = "en", queries = testQueries() }: { language?: "en" | "ko"; queries?: QueryClient } = {},
): Promise<RenderResult & { queries: QueryClient }> {
  await startI18n(language);
  const router = createRouter({
    routeTree: createRootRoute(),
    history: createMemoryHistory({ initialEntries: ["/"] }),
  });
  const result = render(
    <MantineProvider theme={theme} cssVariablesResolver={resolver} env="test">
      <QueryClientProvider client={queries}>
        <RouterContextProvider router={router as never}>{ui}</RouterContextProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...result, queries };
}

/** Fails with every fault that axe finds; contrast needs a real browser and is looked at there. */
export async function expectAccessible(element: Element): Promise<void> {
  const { violations } = await axe.run(element, {
    rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
  });
  expect(
    violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html).join(" | ")}`),
  ).toEqual([]);
}
