import { createFileRoute } from "@tanstack/react-router";
import { DatasetsPage } from "@/features/datasets/DatasetsPage";

export const Route = createFileRoute("/datasets/")({ component: DatasetsPage });
