import { useComputedColorScheme } from "@mantine/core";
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { type ChartColours, type ChartProps, readColours } from "./types";

use([LineChart, ScatterChart, GridComponent, TooltipComponent, CanvasRenderer]);

type Chart = ReturnType<typeof init>;

/** A canvas that ECharts draws on. Hidden from screen readers: the figure around it has a table. */
export default function EChart({ option, height, onPick }: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart>(null);
  const scheme = useComputedColorScheme("light");
  const pick = useRef(onPick);
  pick.current = onPick;

  useEffect(() => {
    if (!element.current) return;
    const made = init(element.current);
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(element.current);
    made.on("click", (event) => {
      const value = Array.isArray(event.value) ? event.value.at(-1) : event.value;
      if (typeof value === "number") pick.current?.(value);
    });
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page, which the scheme changes
  useEffect(() => {
    const colours: ChartColours = readColours();
    chart.current?.setOption(
      { animation: false, textStyle: { fontFamily: colours.font }, ...option(colours) },
      { notMerge: true },
    );
  }, [option, scheme]);

  return <div ref={element} style={{ height, overflow: "hidden" }} aria-hidden="true" data-chart />;
}
