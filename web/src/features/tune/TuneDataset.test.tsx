import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { ExperimentCreate } from "@/api/generated";
import { makeDataset, makeExperiment, SUGGESTION } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { fakeServer, Refusal } from "../../../test/server";
import { TuneDataset } from "./TuneDataset";

const server = fakeServer();
const onTarget = vi.fn();
const SUGGEST = "POST /api/v1/suggestions";
const CREATE = "POST /api/v1/experiments";

beforeEach(() => {
  server.handle("GET /api/v1/algorithms", () => ({
    items: [{ name: "tpe", description: "" }],
    next_cursor: null,
  }));
  server.handle("GET /api/v1/executor", () => ({ name: "local", slots: 2, busy: 0 }));
  server.handle(SUGGEST, () => SUGGESTION);
});

describe("TuneDataset", () => {
  it("asks only for the target, and sends what the server suggests and the person changes", async () => {
    const requests: { body: ExperimentCreate; key: string | null }[] = [];
    server.handle(CREATE, async (request) => {
      requests.push({ body: await request.json(), key: request.headers.get("Idempotency-Key") });
      return requests.length === 1 ? new Refusal(502, "upstream_unavailable", "") : makeExperiment();
    });
    const user = userEvent.setup();
    const { container } = await show(
      <TuneDataset dataset={makeDataset()} initialTarget={undefined} onTarget={onTarget} />,
    );
    expect(screen.queryByRole("button", { name: "Tune" })).not.toBeInTheDocument();
    await user.click(screen.getByRole("combobox", { name: "What should be predicted?" }));
    await user.click(await screen.findByRole("option", { name: /income/ }));
    const trials = await screen.findByRole("textbox", { name: "Trials" });
    expect(trials).toHaveValue("50");
    expect(onTarget).toHaveBeenLastCalledWith("income");
    await user.clear(trials);
    await user.type(trials, "20");
    await user.click(screen.getByRole("button", { name: /^Columns/ }));
    await user.click(await screen.findByRole("checkbox", { name: "job" }));
    await expectAccessible(container);
    const tune = screen.getByRole("button", { name: "Tune" });
    await user.click(tune);
    expect(await screen.findByRole("alert")).toHaveTextContent("does not answer just now");
    await user.click(tune);
    await waitFor(() => expect(requests).toHaveLength(2));
    expect(requests[0]?.body).toMatchObject({
      target: "income",
      budget: { max_trials: 20 },
      columns: { job: { role: "ignored" } },
    });
    // The same request again must not make a second experiment.
    expect(requests[1]).toEqual(requests[0]);
    expect(requests[0]?.key).toBeTruthy();
  });

  it("shows at its field that the name is taken", async () => {
    server.handle(
      CREATE,
      () => new Refusal(409, "name_taken", "There is already an experiment of that name."),
    );
    const user = userEvent.setup();
    await show(<TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />);
    await user.click(await screen.findByRole("button", { name: "Tune" }));
    const name = await screen.findByRole("textbox", { name: "Name" });
    await waitFor(() => expect(name).toBeInvalid());
    expect(name).toHaveAccessibleDescription(expect.stringContaining("That name is taken"));
  });

  it("lets each worker be given something on a cluster, and shows a refusal there", async () => {
    const bodies: ExperimentCreate[] = [];
    const problem = "The image w:1 cannot be pulled.";
    server.handle("GET /api/v1/executor", () => ({ name: "kubernetes", slots: null, busy: 0, problem }));
    server.handle(CREATE, async (request) => {
      bodies.push(await request.json());
      return new Refusal(422, "invalid_request", "No node is that large.", [
        { pointer: "/worker/memory_bytes", code: "no_node", detail: "No node has 4 GiB." },
      ]);
    });
    const user = userEvent.setup();
    const { container } = await show(
      <TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />,
    );
    await user.click(await screen.findByRole("button", { name: /^Advanced/ }));
    expect(await screen.findByText(problem)).toBeInTheDocument();
    await user.type(await screen.findByRole("textbox", { name: "CPU cores a worker" }), "0.5");
    const memory = screen.getByRole("textbox", { name: "Memory a worker (GiB)" });
    await user.type(memory, "4");
    await expectAccessible(container);
    await user.click(screen.getByRole("button", { name: "Tune" }));
    await waitFor(() => expect(memory).toBeInvalid());
    expect(bodies[0]?.worker).toEqual({ cpu: 0.5, memory_bytes: 4 * 2 ** 30 });
  });

  it("offers nothing of that on this machine", async () => {
    const user = userEvent.setup();
    await show(<TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />);
    await user.click(await screen.findByRole("button", { name: /^Advanced/ }));
    expect(await screen.findByRole("textbox", { name: "Parallel trials" })).toBeInTheDocument();
    await waitFor(() => expect(server.calls).toContain("GET /api/v1/executor"));
    expect(screen.queryByRole("textbox", { name: "CPU cores a worker" })).not.toBeInTheDocument();
  });

  it("opens the section of a fault and shows the server's words at the field", async () => {
    server.handle(
      CREATE,
      () =>
        new Refusal(422, "search_space_invalid", "The search space is not valid.", [
          {
            pointer: "/search_space/num_leaves/high",
            code: "search_space_invalid",
            detail: "num_leaves: at most 131072.",
          },
        ]),
    );
    const user = userEvent.setup();
    await show(<TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />);
    await user.click(await screen.findByRole("button", { name: "Tune" }));
    const field = await screen.findByRole("textbox", { name: "num_leaves: To" });
    await waitFor(() => expect(field).toBeInvalid());
    expect(screen.getAllByText("num_leaves: at most 131072.").length).toBeGreaterThan(0);
  });

  it("does not send what is plainly wrong, and says what is", async () => {
    const user = userEvent.setup();
    await show(<TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />);
    await user.clear(await screen.findByRole("textbox", { name: "Trials" }));
    await user.clear(screen.getByRole("textbox", { name: "Minutes" }));
    await user.click(screen.getByRole("button", { name: "Tune" }));
    expect(await screen.findByText("Give at least one.")).toBeInTheDocument();
    expect(server.calls).not.toContain(CREATE);
  });

  it("tells a refusal in Korean, names what is meant, and keeps what the server says", async () => {
    const detail = "'job' is stored as string and can only be: categorical.";
    server.handle(
      CREATE,
      () =>
        new Refusal(422, "invalid_request", "Something is wrong.", [
          { pointer: "/columns/job/kind", code: "column_kind_impossible", detail },
        ]),
    );
    const user = userEvent.setup();
    await show(<TuneDataset dataset={makeDataset()} initialTarget="income" onTarget={onTarget} />, {
      language: "ko",
    });
    await user.click(await screen.findByRole("button", { name: "튜닝" }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("columns › job › kind: 그 종류로는 쓸 수 없는 열입니다.");
    expect(screen.getByText(detail)).toHaveAttribute("lang", "en");
  });

  it("says at the target why it cannot be predicted", async () => {
    server.handle(SUGGEST, () => new Refusal(422, "target_constant", "Column 'job' always holds 'clerk'."));
    await show(<TuneDataset dataset={makeDataset()} initialTarget="job" onTarget={onTarget} />, {
      language: "ko",
    });
    const target = await screen.findByRole("combobox", { name: "무엇을 예측할까요?" });
    await waitFor(() => expect(target).toBeInvalid());
    expect(screen.getByText(/Column 'job' always holds 'clerk'/)).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "튜닝" })).not.toBeInTheDocument();
  });
});
