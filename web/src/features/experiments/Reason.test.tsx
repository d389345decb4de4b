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

  it("is nothing where there is none", async () => {
    await show(<Reason experiment={makeExperiment()} />);
    expect(screen.queryByText(/Workers wait/)).not.toBeInTheDocument();
  });
});
