import { createFileRoute } from "@tanstack/react-router";
import { EndpointPage } from "@/features/endpoints/EndpointPage";

export const Route = createFileRoute("/endpoints/$name")({ component: EndpointRoute });

function EndpointRoute() {
  const { name } = Route.useParams();
  return <EndpointPage key={name} name={name} />;
}
