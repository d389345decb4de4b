import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { makeExperiment } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { Settings } from "./Settings";

describe("Settings", () => {
  it("says nothing of workers where all was left to the server", async () => {
    await show(<Settings experiment={makeExperiment({ worker: { env: {}, secrets: [] } })} />);
    expect(screen.queryByRole("heading", { name: "Each worker" })).not.toBeInTheDocument();
  });

  it("shows the image and command of a trial in a container", async () => {
    const command = ["sh", "-c", "echo 'auc={{params.x}}'", "--lr={{params.lr}}"];
    const container = {
      image: "registry.example/mine:1",
      command,
      metrics: "file" as const,
      run_as_user: 1000,
    };
    const { container: page } = await show(
      <Settings experiment={makeExperiment({ trainer: "container", container })} />,
    );
    expect(screen.getByRole("heading", { name: "Each trial" })).toBeInTheDocument();
    expect(screen.getByText("registry.example/mine:1")).toBeInTheDocument();
    expect(
      screen.getByText("sh -c 'echo '\\''auc={{params.x}}'\\''' --lr={{params.lr}}"),
    ).toBeInTheDocument();
    expect(screen.getByText("/melon/output/metrics.jsonl")).toBeInTheDocument();
    expect(screen.getByText("1000")).toBeInTheDocument();
    await expectAccessible(page);
  });

  it("shows what each worker was given, but not the values of its variables", async () => {
    const worker = {
      cpu: 0.5,
      memory_bytes: 3 * 2 ** 29,
      gpu: 0,
      image: "registry.example/team/worker:1",
      node_selector: { disk: "ssd", "example.org/zone": "a" },
      tolerations: [{ key: "gpu", operator: "Exists" as const, effect: "NoSchedule" as const }],
      env: { TOKEN: "value-of-token" },
    };
    const { container } = await show(<Settings experiment={makeExperiment({ worker })} />);
    expect(screen.getByRole("heading", { name: "Each worker" })).toBeInTheDocument();
    for (const text of ["0.5", "1.5\u00a0GiB", "0", worker.image, "gpu:NoSchedule", "TOKEN"]) {
      expect(screen.getAllByText((_, element) => element?.textContent === text).length).toBeGreaterThan(0);
    }
    expect(screen.getByText("disk=ssd, example.org/zone=a")).toBeInTheDocument();
    expect(container).not.toHaveTextContent("value-of-token");
    expect(screen.queryByText("Priority class")).not.toBeInTheDocument();
    await expectAccessible(container);
  });
});
