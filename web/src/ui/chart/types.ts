import type { LineSeriesOption, ScatterSeriesOption } from "echarts/charts";
import type { GridComponentOption, TooltipComponentOption } from "echarts/components";
import type { ComposeOption } from "echarts/core";

export type ChartOption = ComposeOption<
  LineSeriesOption | ScatterSeriesOption | GridComponentOption | TooltipComponentOption
>;

/** The colours of the page's present scheme; a canvas knows no CSS variables. */
export interface ChartColours {
  series: readonly [string, string, string, string];
  text: string;
  dimmed: string;
  line: string;
  page: string;
  font: string;
}

export interface ChartProps {
  option: (colours: ChartColours) => ChartOption;
  height: number;
  /** Called with the last member of a point's value when it is pressed: by our convention a trial's number. */
  onPick?: ((number: number) => void) | undefined;
}

export function readColours(): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    series: [
      read("--melon-series-1"),
      read("--melon-series-2"),
      read("--melon-series-3"),
      read("--melon-series-4"),
    ],
    text: read("--mantine-color-text"),
    dimmed: read("--mantine-color-dimmed"),
    line: read("--melon-line"),
    page: read("--melon-page"),
    font: read("--mantine-font-family"),
  };
}

/** What all charts share: axes without noise, a tooltip that stays inside. */
export function axis(colours: ChartColours) {
  return {
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    axisLabel: { color: colours.dimmed, fontSize: 11, hideOverlap: true },
    splitLine: { lineStyle: { color: colours.line, width: 1 } },
    nameTextStyle: { color: colours.dimmed, fontSize: 11 },
  };
}

export function tooltip(colours: ChartColours) {
  return {
    confine: true,
    transitionDuration: 0,
    backgroundColor: colours.page,
    borderColor: colours.line,
    textStyle: { color: colours.text, fontSize: 12 },
    padding: [6, 10] as [number, number],
  };
}

/** Text that may stand in a tooltip, which ECharts reads as HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
