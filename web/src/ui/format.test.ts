import { describe, expect, it } from "vitest";
import {
  formatAgo,
  formatBytes,
  formatCellTime,
  formatDay,
  formatDuration,
  formatMemory,
  formatMetric,
  formatNumber,
  formatPercent,
  formatScalar,
  formatSigned,
} from "./format";

describe("numbers", () => {
  it.each([
    [0.9, "0.9000"],
    [0.123456, "0.1235"],
    [12.34567, "12.346"],
    [1234.5678, "1,234.57"],
    [-0.5, "-0.5000"],
    [123456.7, "123,457"],
  ])("metric %d is %s, as many decimals for one magnitude", (value, text) => {
    expect(formatMetric("en", value)).toBe(text);
  });

  it.each([
    [0, "0"],
    [31, "31"],
    [2013, "2013"],
    [15000, "15,000"],
    [0.0123456, "0.01235"],
    [1234.56, "1,234.6"],
    [0.00000123, "1.23E-6"],
  ])("number %d is %s", (value, text) => {
    expect(formatNumber("en", value)).toBe(text);
  });

  it("writes any value of a cell", () => {
    expect(formatScalar("en", true)).toBe("true");
    expect(formatScalar("en", "gbdt")).toBe("gbdt");
    expect(formatScalar("en", null)).toBe("–");
    expect(formatScalar("en", 0.5)).toBe("0.5");
  });

  it("signs a change with a true minus, and nothing with no sign", () => {
    expect(formatSigned("en", 0.0123, "percent")).toBe("+1.2%");
    expect(formatSigned("en", -0.0123, "percent")).toBe("−1.2%");
    expect(formatSigned("en", 0, "percent")).toBe("0.0%");
    expect(formatSigned("en", 0.01, "metric")).toBe("+0.0100");
    expect(formatSigned("en", -0.01, "metric")).toBe("−0.0100");
  });

  it("writes shares", () => {
    expect(formatPercent("en", 0.05645)).toBe("5.6%");
    expect(formatPercent("en", 0.5, 0)).toBe("50%");
  });
});

describe("sizes", () => {
  it.each([
    [1, "1 byte"],
    [999, "999 bytes"],
    [1234, "1.2 kB"],
    [123_456, "123 kB"],
    [3_974_305, "4 MB"],
    [1_500_000_000, "1.5 GB"],
  ])("%d is %s", (bytes, text) => {
    expect(formatBytes("en", bytes)).toBe(text);
  });
});

describe("durations", () => {
  it.each([
    [0.42, "0.4 sec"],
    [9.97, "10 sec"],
    [59.6, "1 min"],
    [125, "2 min 5 sec"],
    [3600, "1 hr"],
    [7325, "2 hr 2 min"],
    [90_000, "1 day 1 hr"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(formatDuration("en", seconds)).toBe(text);
  });

  it("is written in Korean too", () => {
    expect(formatDuration("ko", 125)).toBe("2분 5초");
  });
});

describe("times", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  it.each([
    [0, "now"],
    [20, "20 seconds ago"],
    [60, "1 minute ago"],
    [3600, "1 hour ago"],
    [86_400, "yesterday"],
    [86_400 * 40, "last month"],
  ])("%d seconds ago is %s", (seconds, text) => {
    expect(formatAgo("en", now - seconds * 1000, now)).toBe(text);
  });

  it("is written in Korean too", () => {
    expect(formatAgo("ko", now - 180_000, now)).toBe("3분 전");
  });

  it("shows the time of day of a column only where there is one, in UTC", () => {
    expect(formatCellTime("en", "2013-01-01T00:00:00Z")).toBe("Jan 1, 2013");
    expect(formatCellTime("en", "2013-01-01T06:40:00Z")).toMatch(/^Jan 1, 2013, 6:40\sAM$/);
    expect(formatDay("en", "2013-01-01T23:40:00Z")).toBe("Jan 1, 2013");
    expect(formatCellTime("en", "not a time")).toBe("not a time");
  });
});

describe("memory", () => {
  it.each([
    [32 * 2 ** 20, "32\u00a0MiB"],
    [1.5 * 2 ** 30, "1.5\u00a0GiB"],
    [512 * 2 ** 30, "512\u00a0GiB"],
    [2 ** 40, "1\u00a0TiB"],
    [0, "0\u00a0KiB"],
  ])("%d bytes are %s, in the units of clusters", (bytes, text) => {
    expect(formatMemory("en", bytes)).toBe(text);
  });
});
