import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiProblem } from "@/api/problem";
import { expectAccessible, show } from "../../../test/render";
import { type Upload, uploads } from "./store";
import { UploadList } from "./UploadList";

let shown: readonly Upload[] = [];

beforeEach(() => {
  vi.spyOn(uploads, "snapshot").mockImplementation(() => shown);
});
afterEach(() => vi.restoreAllMocks());

const upload = (change: Partial<Upload>): Upload => ({
  key: 1,
  fileName: "people.csv",
  size: 1_000_000,
  sent: 250_000,
  phase: "sending",
  problem: null,
  dataset: null,
  ...change,
});

describe("UploadList", () => {
  it("shows how far it is and lets it be cancelled", async () => {
    shown = [upload({})];
    const cancel = vi.spyOn(uploads, "cancel").mockImplementation(() => undefined);
    const { container } = await show(<UploadList onRetry={() => undefined} />);
    expect(screen.getByRole("status")).toHaveTextContent("250 kB of 1 MB");
    expect(screen.getByRole("progressbar", { name: "Upload progress: people.csv" })).toHaveAttribute(
      "aria-valuenow",
      "25",
    );
    await expectAccessible(container);
    await userEvent.click(screen.getByRole("button", { name: "Cancel the upload: people.csv" }));
    expect(cancel).toHaveBeenCalledWith(1);
  });

  it("says what is wrong with a file and what to do, in the language of the page", async () => {
    const problem = new ApiProblem({
      status: 422,
      code: "header_only",
      detail: "people.csv has 3 columns and no rows.",
    });
    shown = [upload({ phase: "failed", problem })];
    const { container } = await show(<UploadList onRetry={() => undefined} />, { language: "ko" });
    const alert = screen.getByRole("alert");
    expect(alert).toHaveTextContent("올리지 못했습니다: people.csv");
    expect(alert).toHaveTextContent("열 이름만 있고 데이터가 없습니다");
    expect(alert).toHaveTextContent("people.csv has 3 columns and no rows.");
    expect(screen.queryByRole("button", { name: "다시 시도" })).not.toBeInTheDocument();
    await expectAccessible(container);
  });

  it("offers another try where one may help", async () => {
    shown = [
      upload({ phase: "failed", problem: new ApiProblem({ status: 0, code: "offline", detail: "" }) }),
    ];
    const onRetry = vi.fn();
    await show(<UploadList onRetry={onRetry} />);
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(onRetry).toHaveBeenCalledWith(1);
  });
});
