import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { SIGNATURE } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { fakeServer, Refusal } from "../../../test/server";
import { PredictPanel } from "./PredictPanel";

const server = fakeServer();
const SCHEMA = "GET /api/v1/endpoints/income/schema";
const PREDICT = "POST /api/v1/endpoints/income/predict";

function serveSchema() {
  server.handle(SCHEMA, () => ({
    name: "income",
    model: "people",
    version: 1,
    signature: SIGNATURE,
    input_example: { age: 39, job: "clerk", grade: 2, member: false, since: "2019-04-03T00:00:00.000000Z" },
  }));
}

describe("PredictPanel", () => {
  it("is filled with the example, sends what stands in it, and shows the answer", async () => {
    serveSchema();
    let sent: unknown;
    server.handle(PREDICT, async (request) => {
      sent = await request.json();
      return {
        predictions: ["<=50K"],
        probabilities: [{ ">50K": 0.25, "<=50K": 0.75 }],
        model: "people",
        version: 1,
        digest: "d".repeat(64),
        warnings: ["job 'pilot' was not seen in training"],
      };
    });
    const user = userEvent.setup();
    const { container } = await show(<PredictPanel name="income" digest="d" />);
    const age = await screen.findByRole("textbox", { name: "age" });
    expect(age).toHaveValue("39");
    expect(screen.getByTestId("code")).toHaveTextContent('"age":39');
    await user.clear(age);
    const job = screen.getByRole("combobox", { name: "job" });
    await user.clear(job);
    await user.type(job, "pilot");
    expect(screen.getByTestId("code")).toHaveTextContent('"age":null,"job":"pilot"');
    await user.click(screen.getByRole("button", { name: "Predict" }));
    expect(await screen.findByTestId("prediction")).toHaveTextContent("<=50K");
    expect(sent).toEqual({
      instances: [{ age: null, job: "pilot", grade: 2, member: false, since: "2019-04-03T00:00:00Z" }],
    });
    const chances = within(screen.getByRole("table", { name: "Probability of each class" })).getAllByRole(
      "row",
    );
    expect(chances.map((row) => row.textContent)).toEqual(["<=50K75%", ">50K25%"]);
    expect(screen.getByText("job 'pilot' was not seen in training")).toBeInTheDocument();
    await expectAccessible(container);
    await user.click(screen.getByRole("button", { name: "Back to the example row" }));
    expect(age).toHaveValue("39");
  });

  it("shows each fault at its field", async () => {
    serveSchema();
    server.handle(
      PREDICT,
      () =>
        new Refusal(422, "invalid_instances", "One row cannot be predicted.", [
          { pointer: "/instances/0/age", code: "wrong_type", detail: "'age' must be a number." },
        ]),
    );
    const user = userEvent.setup();
    const { container } = await show(<PredictPanel name="income" digest="d" />);
    await user.type(await screen.findByRole("textbox", { name: "age" }), "x");
    await user.click(screen.getByRole("button", { name: "Predict" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("Mend the marked fields");
    const age = screen.getByRole("textbox", { name: "age" });
    expect(age).toBeInvalid();
    // The field may be out of sight.
    expect(age).toHaveFocus();
    expect(age).toHaveAccessibleDescription(expect.stringContaining("'age' must be a number."));
    await expectAccessible(container);
  });

  it("brings the answer into sight, which may be below a narrow window", async () => {
    serveSchema();
    server.handle(PREDICT, () => ({
      predictions: ["<=50K"],
      probabilities: null,
      model: "people",
      version: 1,
      digest: "d".repeat(64),
      warnings: [],
    }));
    const scroll = vi.spyOn(window.HTMLElement.prototype, "scrollIntoView");
    const user = userEvent.setup();
    await show(<PredictPanel name="income" digest="d" />);
    await user.click(await screen.findByRole("button", { name: "Predict" }));
    const prediction = await screen.findByTestId("prediction");
    expect(scroll).toHaveBeenCalledOnce();
    expect(scroll.mock.contexts[0]).toContainElement(prediction);
  });

  it("says in Korean what to enter, beside what the server says", async () => {
    serveSchema();
    const detail = "must be a number or null, not the text 'x'";
    server.handle(
      PREDICT,
      () =>
        new Refusal(422, "invalid_instances", "One row cannot be predicted.", [
          { pointer: "/instances/0/age", code: "wrong_type", detail },
        ]),
    );
    const user = userEvent.setup();
    await show(<PredictPanel name="income" digest="d" />, { language: "ko" });
    const age = await screen.findByRole("textbox", { name: "age" });
    await user.type(age, "x");
    await user.click(screen.getByRole("button", { name: "예측" }));
    expect(await screen.findByText(detail)).toHaveAttribute("lang", "en");
    expect(age).toHaveAccessibleDescription(expect.stringContaining("12.5 같은 숫자를 넣으세요."));
  });

  it("says in Korean alone that a category was never seen", async () => {
    serveSchema();
    server.handle(PREDICT, () => ({
      predictions: ["<=50K"],
      probabilities: null,
      model: "people",
      version: 1,
      digest: "d".repeat(64),
      warnings: ["'job': 'pilot' was never seen in training and is taken as missing (row 0)."],
    }));
    const user = userEvent.setup();
    await show(<PredictPanel name="income" digest="d" />, { language: "ko" });
    const job = await screen.findByRole("combobox", { name: "job" });
    await user.clear(job);
    await user.type(job, "pilot");
    await user.click(screen.getByRole("button", { name: "예측" }));
    expect(await screen.findByText("job: 학습 때 없던 값이라 결측으로 처리했습니다.")).toBeInTheDocument();
    expect(screen.queryByText(/never seen/)).not.toBeInTheDocument();
  });

  it("offers another try when the schema cannot be read", async () => {
    server.handle(SCHEMA, () => new Refusal(503, "endpoint_not_ready", "Wait."));
    const user = userEvent.setup();
    await show(<PredictPanel name="income" digest="d" />);
    const again = await screen.findByRole("button", { name: "Try again" });
    serveSchema();
    await user.click(again);
    expect(await screen.findByRole("textbox", { name: "age" })).toHaveValue("39");
  });
});
