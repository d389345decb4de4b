/** Numbers, sizes, times and durations as a language writes them. Pure: the language is always given. */

const cache = new Map<string, Intl.NumberFormat>();

function numberFormat(language: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language, options);
    cache.set(key, format);
  }
  return format;
}

/** What stands where there is no value. */
export const NONE = "–";

export function formatCount(language: string, value: number): string {
  return numberFormat(language, { maximumFractionDigits: 0 }).format(value);
}

/** A metric's value; as many decimals for every value of one magnitude, so that a column lines up. */
export function formatMetric(language: string, value: number): string {
  const size = Math.abs(value);
  const decimals = size < 10 ? 4 : size < 100 ? 3 : size < 10_000 ? 2 : 0;
  return numberFormat(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(
    value,
  );
}

/** A number whose magnitude is not known: four significant digits, powers of ten for the extremes. */
export function formatNumber(language: string, value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e15)) {
    return numberFormat(language, { notation: "scientific", maximumSignificantDigits: 3 }).format(value);
  }
  if (Number.isInteger(value)) {
    // Four digits stand without a separator: they are as likely a year as an amount.
    return numberFormat(language, { maximumFractionDigits: 0, useGrouping: "min2" }).format(value);
  }
  if (size >= 1000) return numberFormat(language, { maximumFractionDigits: 1 }).format(value);
  return numberFormat(language, { maximumSignificantDigits: 4 }).format(value);
}

/** A hyperparameter's or a cell's value. */
export function formatScalar(language: string, value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "number") return formatNumber(language, value);
  return String(value);
}

export function formatPercent(language: string, share: number, decimals = 1): string {
  return numberFormat(language, { style: "percent", maximumFractionDigits: decimals }).format(share);
}

/** A change with its sign, a true minus in front of less. */
export function formatSigned(language: string, value: number, style: "metric" | "percent"): string {
  if (style === "percent") {
    const share = numberFormat(language, {
      style: "percent",
      signDisplay: "exceptZero",
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    }).format(value);
    return minus(share);
  }
  const text = formatMetric(language, value);
  return minus(value > 0 ? `+${text}` : text);
}

function minus(text: string): string {
  return text.replace("-", "\u2212");
}

const SIZE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export function formatBytes(language: string, bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return numberFormat(language, {
    style: "unit",
    unit: SIZE_UNITS[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: unit === 0 || value >= 100 ? 0 : 1,
  }).format(value);
}

const MEMORY_UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Memory, in the binary units in which clusters give it. */
export function formatMemory(language: string, bytes: number): string {
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < MEMORY_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 100 ? 0 : 1;
  return `${numberFormat(language, { maximumFractionDigits: digits }).format(value)}\u00a0${MEMORY_UNITS[unit] ?? ""}`;
}

/** A duration in its two largest units. */
export function formatDuration(language: string, seconds: number): string {
  const unit = (value: number, name: "second" | "minute" | "hour" | "day", decimals = 0) =>
    numberFormat(language, {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits: decimals,
    }).format(value);
  if (seconds < 9.95) return unit(seconds, "second", 1);
  const whole = Math.round(seconds);
  if (whole < 60) return unit(whole, "second");
  const [large, small, largeName, smallName] =
    whole < 3600
      ? ([Math.floor(whole / 60), whole % 60, "minute", "second"] as const)
      : whole < 86_400
        ? ([Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), "hour", "minute"] as const)
        : ([Math.floor(whole / 86_400), Math.floor((whole % 86_400) / 3600), "day", "hour"] as const);
  return small === 0 ? unit(large, largeName) : `${unit(large, largeName)} ${unit(small, smallName)}`;
}

const STEPS: [limit: number, divisor: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [45, 1, "second"],
  [2_700, 60, "minute"],
  [79_200, 3_600, "hour"],
  [2_246_400, 86_400, "day"],
  [28_512_000, 2_592_000, "month"],
  [Number.POSITIVE_INFINITY, 31_536_000, "year"],
];

/** How long ago, or how soon, `at` is from `now` (both in milliseconds). */
export function formatAgo(language: string, at: number, now: number): string {
  const seconds = (at - now) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const size = Math.abs(seconds);
  if (size < 5) return format.format(0, "second");
  for (const [limit, divisor, unit] of STEPS) {
    if (size < limit) return format.format(Math.round(seconds / divisor), unit);
  }
  return format.format(0, "second");
}

export function formatInstant(language: string, at: string | number | Date): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** The day of a value of a datetime column, in UTC. */
export function formatDay(language: string, at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }).format(date);
}

/** A value of a datetime column: the time of day only where there is one. Always UTC, as it is stored. */
export function formatCellTime(language: string, at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const midnight = date.getTime() % 86_400_000 === 0;
  return new Intl.DateTimeFormat(language, {
    dateStyle: "medium",
    ...(midnight ? {} : { timeStyle: "short" as const }),
    timeZone: "UTC",
  }).format(date);
}
