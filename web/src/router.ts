import { createRouter } from "@tanstack/react-router";
import { Failure, NotFound } from "./features/shell/Fallback";
import { routeTree } from "./route-tree.gen";

export const router = createRouter({
  routeTree,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: Failure,
  defaultNotFoundComponent: NotFound,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
