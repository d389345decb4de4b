import { createFileRoute } from "@tanstack/react-router";
import { TunePage } from "@/features/tune/TunePage";
import { compact, text } from "@/ui/search";

export const Route = createFileRoute("/experiments/new")({
  validateSearch: (search) => compact({ dataset: text(search, "dataset"), target: text(search, "target") }),
  component: TuneRoute,
});

function TuneRoute() {
  const { dataset, target } = Route.useSearch();
  return <TunePage key={dataset} datasetId={dataset} target={target} />;
}
