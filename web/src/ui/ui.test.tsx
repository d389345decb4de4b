import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { ApiProblem } from "@/api/problem";
import { expectAccessible, show } from "../../test/render";
import { Confirm } from "./Confirm";
import { Figure } from "./chart/Figure";
import { DataTable } from "./DataTable";
import { EmptyState } from "./EmptyState";
import { ListFrame } from "./ListFrame";
import { ProblemAlert } from "./ProblemAlert";

const list = {
  data: { pages: [{ items: ["a", "b"] }] },
  error: null,
  isError: false,
  hasNextPage: false,
  isFetchingNextPage: false,
  fetchNextPage: () => undefined,
  refetch: () => undefined,
};
const empty = <EmptyState title="Nothing" hint="Make one." />;
const rows = (items: string[] | undefined) => (
  <DataTable
    label="Things"
    rows={items}
    rowKey={(item) => item}
    columns={[{ key: "name", title: "Name", render: (item) => item }]}
  />
);

describe("ListFrame", () => {
  it("shows the rows, and the way to more where there are more", async () => {
    const fetchNextPage = vi.fn();
    const { container } = await show(
      <ListFrame query={{ ...list, hasNextPage: true, fetchNextPage }} empty={empty}>
        {rows}
      </ListFrame>,
    );
    expect(screen.getAllByRole("row")).toHaveLength(3);
    await userEvent.click(screen.getByRole("button", { name: "Show more" }));
    expect(fetchNextPage).toHaveBeenCalledOnce();
    await expectAccessible(container);
  });

  it("says what to do where there is nothing", async () => {
    await show(
      <ListFrame query={{ ...list, data: { pages: [{ items: [] as string[] }] } }} empty={empty}>
        {rows}
      </ListFrame>,
    );
    expect(screen.getByText("Make one.")).toBeInTheDocument();
    expect(screen.queryByRole("table")).not.toBeInTheDocument();
  });

  it("shows the layout of what is coming, and says that it is busy", async () => {
    await show(
      <ListFrame query={{ ...list, data: undefined }} empty={empty}>
        {rows}
      </ListFrame>,
    );
    expect(screen.getByRole("table")).toHaveAttribute("aria-busy", "true");
    expect(screen.getAllByRole("row").length).toBeGreaterThan(2);
  });

  it("offers another try when it could not be read", async () => {
    const refetch = vi.fn();
    const error = new ApiProblem({ status: 0, code: "offline", detail: "" });
    await show(
      <ListFrame query={{ ...list, data: undefined, isError: true, error, refetch }} empty={empty}>
        {rows}
      </ListFrame>,
    );
    expect(screen.getByRole("alert")).toHaveTextContent("The server cannot be reached");
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(refetch).toHaveBeenCalledOnce();
  });
});

describe("ProblemAlert", () => {
  it("gives the server's sentence for a code without a translation, and the request to look for", async () => {
    const error = new ApiProblem({
      status: 500,
      code: "brand_new",
      detail: "Turn it off and on.",
      request_id: "r-1",
    });
    await show(<ProblemAlert error={error} />, { language: "ko" });
    expect(screen.getByRole("alert")).toHaveTextContent("Turn it off and on.");
    expect(screen.getByRole("alert")).toHaveTextContent("요청 ID: r-1");
  });

  it("never shows the inside of the page's own failure", async () => {
    await show(<ProblemAlert error={new TypeError("x is not a function")} />);
    expect(screen.getByRole("alert")).not.toHaveTextContent("is not a function");
  });
});

describe("Confirm", () => {
  it("stays open and says why when it failed, and closes when it is done", async () => {
    const run = vi
      .fn<() => Promise<void>>()
      .mockRejectedValueOnce(
        new ApiProblem({ status: 409, code: "in_use", detail: "The endpoint 'a' uses it." }),
      )
      .mockResolvedValueOnce();
    const onClose = vi.fn();
    const onDone = vi.fn();
    await show(
      <Confirm
        opened
        onClose={onClose}
        title="Delete?"
        text="For good."
        action="Delete"
        danger
        run={run}
        onDone={onDone}
      />,
    );
    const dialog = await screen.findByRole("dialog", { name: "Delete?" });
    await expectAccessible(dialog);
    const act = screen.getByRole("button", { name: "Delete" });
    await userEvent.click(act);
    expect(await screen.findByRole("alert")).toHaveTextContent("The endpoint 'a' uses it.");
    expect(onClose).not.toHaveBeenCalled();
    await userEvent.click(act);
    await waitFor(() => expect(onDone).toHaveBeenCalledOnce());
    expect(onClose).toHaveBeenCalledOnce();
  });
});

describe("Figure", () => {
  it("has a table in the place of the chart", async () => {
    const { container } = await show(
      <Figure
        title="Values"
        legend={[{ label: "Trial", shape: "dot", series: 1 }]}
        chart={<i>chart</i>}
        table={<b>table</b>}
      />,
    );
    expect(screen.getByRole("figure", { name: "Values" })).toHaveTextContent("chart");
    await expectAccessible(container);
    await userEvent.click(screen.getByRole("radio", { name: "Table" }));
    expect(screen.getByText("table")).toBeInTheDocument();
    expect(screen.queryByText("chart")).not.toBeInTheDocument();
  });
});
