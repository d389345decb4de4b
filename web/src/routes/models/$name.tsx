import { createFileRoute } from "@tanstack/react-router";
import { ModelPage } from "@/features/models/ModelPage";
import { compact, positive } from "@/ui/search";

export const Route = createFileRoute("/models/$name")({
  validateSearch: (search) => compact({ version: positive(search, "version") }),
  component: ModelRoute,
});

function ModelRoute() {
  const { name } = Route.useParams();
  const { version } = Route.useSearch();
  return <ModelPage key={name} name={name} version={version} />;
}
