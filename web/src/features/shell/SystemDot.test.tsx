import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it } from "vitest";
import type { ExecutorInfo, NodeInfo, System } from "@/api/generated";
import { expectAccessible, show } from "../../../test/render";
import { fakeServer, Refusal } from "../../../test/server";
import { SystemDot } from "./SystemDot";

const server = fakeServer();
const GIB = 2 ** 30;
const SYSTEM: System = {
  version: "0.1.0",
  services: [{ name: "tuner", ready: true }],
  workers: 2,
  started_at: "2026-01-02T03:04:05.000000Z",
};

function node(name: string, change: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name,
    ready: true,
    schedulable: true,
    cpu: 4,
    memory_bytes: 8 * GIB,
    free_cpu: 1.25,
    free_memory_bytes: 1.5 * GIB,
    workers: 3,
    ...change,
  };
}

async function open(executor: ExecutorInfo | Refusal, language: "en" | "ko" = "en") {
  server.handle("GET /api/v1/executor", () => executor);
  await show(<SystemDot />, { language });
  await userEvent.click(await screen.findByRole("button", { name: /All systems ready|모두 정상/ }));
}

const CLUSTER: ExecutorInfo = { name: "kubernetes", slots: null, busy: 3, namespace: "team-a" };

beforeEach(() => server.handle("GET /api/v1/system", () => SYSTEM));

describe("SystemDot", () => {
  it("tells how many of the workers of this machine are at work, without a table", async () => {
    await open({ name: "local", slots: 2, busy: 1 });
    expect(await screen.findByText("On this machine · 1 of 2 at work")).toBeInTheDocument();
    expect(screen.queryByRole("table")).not.toBeInTheDocument();
  });

  it("shows the nodes of a cluster and what they have left", async () => {
    const nodes = [
      node("node-1"),
      node("node-2", { schedulable: false }),
      node("node-3", { ready: false, schedulable: false, workers: 0 }),
    ];
    await open({ ...CLUSTER, nodes });
    const table = await screen.findByRole("table", { name: "Nodes" });
    expect(screen.getByText("Namespace team-a")).toBeInTheDocument();
    const rows = within(table).getAllByRole("row");
    expect(within(rows[0] as HTMLElement).getAllByRole("columnheader")).toHaveLength(4);
    expect(rows[1]).toHaveTextContent(/node-13\s*1\.25 of 4\s*1\.5 of 8/);
    expect(rows[2]).toHaveTextContent("Takes no pods");
    expect(rows[3]).toHaveTextContent("Not ready");
    await expectAccessible(document.body);
  });

  it("shows GPUs where a node has some, in Korean too", async () => {
    await open({ ...CLUSTER, nodes: [node("node-1", { gpu: 2, free_gpu: 1 }), node("node-2")] }, "ko");
    const table = await screen.findByRole("table", { name: "노드" });
    expect(within(table).getByRole("columnheader", { name: "남은 GPU" })).toBeInTheDocument();
    expect(within(table).getByText("1 / 2")).toBeInTheDocument();
    expect(within(table).getByText("0 / 0")).toBeInTheDocument();
  });

  it("says what keeps workers from running there", async () => {
    await open({ ...CLUSTER, nodes: [node("node-1")], problem: "The image w:1 cannot be pulled." });
    expect(await screen.findByText("Not ready for workers.")).toBeInTheDocument();
    expect(screen.getByText(/The image w:1 cannot be pulled/)).toBeInTheDocument();
  });

  it("says why there is no table", async () => {
    await open({ ...CLUSTER, nodes: null });
    expect(await screen.findByText(/may not look at the cluster's nodes/)).toBeInTheDocument();
  });

  it("shows the rest where the tuner does not say where workers run", async () => {
    await open(new Refusal(502, "upstream_unavailable", ""));
    expect(await screen.findByText(/Version 0\.1\.0/)).toBeInTheDocument();
    expect(screen.queryByText(/at work/)).not.toBeInTheDocument();
  });
});
