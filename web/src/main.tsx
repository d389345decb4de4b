import "@mantine/core/styles.css";
import "@mantine/dropzone/styles.css";
import "pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css";
import "./theme/global.css";
import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import { Providers } from "./app";
import { startI18n } from "./i18n";
import { router } from "./router";
import { ignoreEnterWhileComposing } from "./ui/composition";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");

ignoreEnterWhileComposing(document);
await startI18n();
createRoot(root).render(
  <Providers>
    <RouterProvider router={router} />
  </Providers>,
);
