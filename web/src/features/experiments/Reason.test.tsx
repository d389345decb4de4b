import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { makeExperiment } from "../../../test/data";
import { show } from "../../../test/render";
import { Reason } from "./Reason";

const reason = "The image registry.example/worker:1 cannot be pulled.";

describe("Reason", () => {
  it.each(["queued", "running"] as const)(
    "says why a %s experiment waits, without interrupting",
    async (state) => {
      await show(<Reason experiment={makeExperiment({ reason, state })} />);
      expect(screen.getByRole("status")).toHaveTextContent(`Workers wait${reason}`);
    },
  );

  it("interrupts where it failed, and calls that no waiting", async () => {
    await show(<Reason experiment={makeExperiment({ reason, state: "failed" })} />, { language: "ko" });
    expect(screen.getByRole("alert")).toHaveTextContent(reason);
    expect(screen.queryByText("기다리는 워커가 있습니다")).not.toBeInTheDocument();
  });

  it("says in Korean that too many trials failed, and then what the server says, as English", async () => {
    const trials = { ...makeExperiment().trials, failed: 6 };
    const budget = { ...makeExperiment().budget, max_failed_trials: 5 };
    await show(<Reason experiment={makeExperiment({ reason, state: "failed", trials, budget })} />, {
      language: "ko",
    });
    expect(screen.getByRole("alert")).toHaveTextContent("실패 6, 허용 5");
    expect(screen.getByText(reason)).toHaveAttribute("lang", "en");
  });

  it("calls an experiment whose winner is scored after a stop no waiting one", async () => {
    const stopped = makeExperiment({ reason: "Stopped by the user.", state: "running", phase: "evaluating" });
    await show(<Reason experiment={stopped} />, { language: "ko" });
    expect(screen.getByRole("status")).toHaveTextContent(/^사용자가 중지했습니다.$/);
  });

  it("is nothing where there is none", async () => {
    await show(<Reason experiment={makeExperiment()} />);
    expect(screen.queryByText(/Workers wait/)).not.toBeInTheDocument();
  });
});
