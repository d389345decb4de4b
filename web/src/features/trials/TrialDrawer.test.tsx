import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { TrialDetail } from "@/api/generated";
import { makeExperiment, makeTrial } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { fakeServer } from "../../../test/server";
import { TrialDrawer } from "./TrialDrawer";

const server = fakeServer();
const experiment = makeExperiment();

async function open(change: Partial<TrialDetail>, language: "en" | "ko" = "en") {
  server.handle(`GET /api/v1/experiments/${experiment.id}/trials/3`, () => makeTrial(3, change));
  await show(<TrialDrawer experiment={experiment} number={3} live={false} onClose={() => undefined} />, {
    language,
  });
}

describe("TrialDrawer", () => {
  it("says what ended a trial, and how each attempt at it ended", async () => {
    await open({
      state: "failed",
      value: null,
      cause: "node_lost",
      reason: "node-2 does not answer.",
      attempts: [
        {
          run_id: "run-a",
          attempt: 1,
          worker_id: "worker-a",
          started_at: "2026-01-02T03:04:05.000000Z",
          outcome: "lost",
          cause: "preempted",
        },
      ],
    });
    expect(await screen.findByText("Its node was lost.")).toBeInTheDocument();
    expect(screen.getByText("node-2 does not answer.")).toBeInTheDocument();
    expect(screen.getByText("Its node was drained, or its place was needed.")).toBeInTheDocument();
    await expectAccessible(document.body);
  });

  it("says what training used", async () => {
    const points = (value: number) => [{ step: 4, value, at: "2026-01-02T03:04:09.000000Z" }];
    server.handle("GET /api/v1/runs/run-a/metrics", () => ({
      items: [
        { name: "system.cpu_cores", points: points(0.987) },
        { name: "system.memory_bytes", points: points(256 * 1024 * 1024) },
      ],
    }));
    await open({ state: "completed", run_id: "run-a" });
    expect(await screen.findByText("0.99")).toBeInTheDocument();
    expect(screen.getByText(/^256\sMiB$/)).toBeInTheDocument();
    await expectAccessible(document.body);
  });

  it("says the cause also where there are no further words", async () => {
    await open({ state: "queued", value: null, cause: "unschedulable", reason: null }, "ko");
    expect(await screen.findByText("워커를 받을 노드가 없습니다.")).toBeInTheDocument();
  });
});
