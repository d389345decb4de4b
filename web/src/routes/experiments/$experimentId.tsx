import { createFileRoute } from "@tanstack/react-router";
import { ExperimentPage } from "@/features/experiments/ExperimentPage";
import { readSearch } from "@/features/experiments/search";

export const Route = createFileRoute("/experiments/$experimentId")({
  validateSearch: readSearch,
  component: ExperimentRoute,
});

function ExperimentRoute() {
  const { experimentId } = Route.useParams();
  return <ExperimentPage key={experimentId} id={experimentId} search={Route.useSearch()} />;
}
