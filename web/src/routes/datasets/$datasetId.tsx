import { createFileRoute } from "@tanstack/react-router";
import { DatasetPage } from "@/features/datasets/DatasetPage";
import { compact, oneOf } from "@/ui/search";

export const Route = createFileRoute("/datasets/$datasetId")({
  validateSearch: (search) => compact({ tab: oneOf(search, "tab", ["columns", "preview"]) }),
  component: DatasetRoute,
});

function DatasetRoute() {
  const { datasetId } = Route.useParams();
  const { tab = "columns" } = Route.useSearch();
  return <DatasetPage key={datasetId} id={datasetId} tab={tab} />;
}
