import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeExperiment, makeTrial } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { TrialsTable } from "./TrialsTable";

// jsdom lays nothing out: the frame must be said to be as high as it is.
beforeEach(() => {
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(440);
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(900);
});
afterEach(() => vi.restoreAllMocks());

const trials = [
  makeTrial(1, { value: 0.8, params: { num_leaves: 31, boosting: "gbdt" } }),
  makeTrial(2, { value: 0.9, params: { num_leaves: 64, boosting: "goss" } }),
  makeTrial(3, { state: "failed", value: null, params: { num_leaves: 8, boosting: "gbdt" } }),
];
const best = { number: 2, trial_id: "trial-2", value: 0.9, params: {}, run_id: "run-2" };

const rows = () =>
  within(screen.getByRole("table", { name: "Trials" }))
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.textContent);

describe("TrialsTable", () => {
  it("shows the newest first while trials arrive, marks the best, and can be read by everyone", async () => {
    const { container } = await show(
      <TrialsTable
        experiment={makeExperiment({ best })}
        trials={trials}
        search={{}}
        onChange={() => undefined}
      />,
    );
    expect(rows()).toEqual([
      "3Failed–8gbdt2.5 sectpe",
      "2Completed0.900064goss2.5 sectpe",
      "1Completed0.800031gbdt2.5 secDefaults",
    ]);
    expect(screen.getByRole("img", { name: "Best" }).closest("tr")).toHaveTextContent("0.9000");
    expect(screen.getByRole("columnheader", { name: "Trial" })).toHaveAttribute("aria-sort", "descending");
    await expectAccessible(container);
  });

  it("tells why trials ended as they did, once one has a cause", async () => {
    const lost = makeTrial(4, { state: "failed", value: null, cause: "out_of_memory" });
    await show(
      <TrialsTable
        experiment={makeExperiment()}
        trials={[...trials, lost]}
        search={{}}
        onChange={() => undefined}
      />,
    );
    expect(screen.getByRole("columnheader", { name: "Cause" })).toBeInTheDocument();
    expect(rows()[0]).toContain("Out of memory.");
    expect(rows()[1]).toMatch(/–$/);
  });

  it("puts order, filter and the open trial into the address", async () => {
    const onChange = vi.fn();
    const user = userEvent.setup();
    await show(
      <TrialsTable experiment={makeExperiment({ best })} trials={trials} search={{}} onChange={onChange} />,
    );
    await user.click(screen.getByRole("button", { name: "num_leaves" }));
    expect(onChange).toHaveBeenLastCalledWith({ sort: "param:num_leaves", desc: true });
    await user.click(screen.getByRole("checkbox", { name: "Failed" }));
    expect(onChange).toHaveBeenLastCalledWith({ states: ["failed"] });
    await user.click(screen.getByRole("button", { name: "Open trial 3" }));
    expect(onChange).toHaveBeenLastCalledWith({ trial: 3 });
    expect(onChange).toHaveBeenCalledTimes(3);
  });

  it("shows what the address says", async () => {
    await show(
      <TrialsTable
        experiment={makeExperiment({ best })}
        trials={trials}
        search={{ sort: "param:num_leaves", desc: true, states: ["completed"] }}
        onChange={() => undefined}
      />,
    );
    expect(rows().map((row) => row?.[0])).toEqual(["2", "1"]);
    expect(screen.getByText("2 of 3 trials")).toBeInTheDocument();
  });

  it("draws only the rows in view of many thousands, and tells how many there are", async () => {
    const many = Array.from({ length: 5000 }, (_, index) => makeTrial(index + 1));
    await show(
      <TrialsTable experiment={makeExperiment()} trials={many} search={{}} onChange={() => undefined} />,
    );
    const table = screen.getByRole("table", { name: "Trials" });
    expect(table).toHaveAttribute("aria-rowcount", "5001");
    expect(within(table).getAllByRole("row").length).toBeLessThan(60);
  });

  it("says what will come while there are none", async () => {
    await show(
      <TrialsTable experiment={makeExperiment()} trials={[]} search={{}} onChange={() => undefined} />,
      {
        language: "ko",
      },
    );
    expect(screen.getByText("아직 시도가 없습니다")).toBeInTheDocument();
  });
});
