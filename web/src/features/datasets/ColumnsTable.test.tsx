import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { makeDataset } from "../../../test/data";
import { expectAccessible, show } from "../../../test/render";
import { fakeServer, Refusal } from "../../../test/server";
import { ColumnsTable } from "./ColumnsTable";

const server = fakeServer();
const dataset = makeDataset();
const PROFILE = `GET /api/v1/datasets/${dataset.id}/profile`;

describe("ColumnsTable", () => {
  it("says what every column holds", async () => {
    server.handle(PROFILE, () => ({
      dataset_id: dataset.id,
      rows: 1000,
      columns: [
        {
          name: "age",
          count: 1000,
          missing: 0,
          distinct: 70,
          min: 17,
          max: 90,
          histogram: { edges: [17, 53.5, 90], counts: [700, 300] },
        },
        {
          name: "job",
          count: 1000,
          missing: 56,
          distinct: 1000,
          distinct_capped: true,
          top: [
            { value: "clerk", count: 472 },
            { value: "farmer", count: 100 },
          ],
        },
        { name: "note", count: 1000, missing: 1000, distinct: 0 },
      ],
    }));
    const { container } = await show(<ColumnsTable dataset={dataset} />);
    await screen.findByText("17");
    const rows = screen.getAllByRole("row").map((row) => row.textContent);
    expect(rows[1]).toMatch(/^ageNumberFeature0%70.*1790$/);
    expect(rows[2]).toBe("jobCategoryFeature5.6%1,000+clerk50%––");
    expect(rows[3]).toBe("noteTextLeft outFree text100%0––");
    expect(
      screen.getByRole("img", { name: "Histogram; most values (700) lie between 17 and 53.5" }),
    ).toBeInTheDocument();
    await expectAccessible(container);
  });

  it("still shows the columns when the profile cannot be read", async () => {
    server.handle(PROFILE, () => new Refusal(500, "internal", "Oops."));
    await show(<ColumnsTable dataset={dataset} />);
    expect(await screen.findByRole("alert")).toHaveTextContent("Something went wrong on our side");
    expect(screen.getByText("age")).toBeInTheDocument();
  });
});
