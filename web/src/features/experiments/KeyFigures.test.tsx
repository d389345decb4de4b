import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { makeExperiment } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { KeyFigures } from "./KeyFigures";

const result = (number: number, value: number, holdout_value: number | null = null) => ({
  number,
  trial_id: `t${number}`,
  value,
  holdout_value,
  params: {},
  run_id: `r${number}`,
});

describe("KeyFigures", () => {
  it("says what is not known yet", async () => {
    const { container } = await show(<KeyFigures experiment={makeExperiment()} onTrial={() => undefined} />);
    expect(screen.getByText("No trial has finished yet")).toBeInTheDocument();
    expect(screen.getByTestId("trial-count")).toHaveTextContent("0 of 50");
    expect(screen.getByRole("progressbar", { name: "Share of the budget used" })).toBeInTheDocument();
    await expectAccessible(container);
  });

  it("calls a smaller error better, by how much, and on unseen rows at the end", async () => {
    const experiment = makeExperiment({
      state: "completed",
      metric: "rmse",
      direction: "minimize",
      best: result(7, 8, 8.5),
      baseline: result(1, 10, 10.5),
      trials: { total: 50, completed: 48, failed: 2 },
    });
    await show(<KeyFigures experiment={experiment} onTrial={() => undefined} />);
    expect(screen.getByTestId("best-value")).toHaveTextContent("8.0000");
    expect(screen.getByText("+20.0%")).toBeInTheDocument();
    expect(screen.getByText("better than 10.000")).toBeInTheDocument();
    expect(screen.getByText("defaults: 10.500")).toBeInTheDocument();
    expect(screen.getByText(/2 failed/)).toBeInTheDocument();
    expect(screen.queryByRole("progressbar")).not.toBeInTheDocument();
  });

  it("does not hide that the search found nothing better", async () => {
    const experiment = makeExperiment({ best: result(2, 0.8), baseline: result(1, 0.9) });
    await show(<KeyFigures experiment={experiment} onTrial={() => undefined} />);
    expect(screen.getByText("−11.1%")).toBeInTheDocument();
    expect(screen.getByText("worse than 0.9000")).toBeInTheDocument();
  });
});
