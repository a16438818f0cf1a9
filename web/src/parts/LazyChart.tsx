// Loads the chart and its library when a chart is first shown.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ChartProps } from "./Chart.tsx";
import { problemOf, type GatelessError } from "../api/client.ts";
import { Problem } from "./basic.tsx";

let loaded: ComponentType<ChartProps> | undefined;

export function LazyChart(props: ChartProps) {
  const [, redraw] = useState(0);
  const [problem, setProblem] = useState<GatelessError>();
  useEffect(() => {
    if (loaded) return;
    import("./Chart.tsx").then(
      ({ Chart }) => {
        loaded = Chart;
        redraw(1);
      },
      // The server was replaced by another version while the page was open.
      (error) => setProblem(problemOf(error)),
    );
  }, []);
  const Chart = loaded;
  if (Chart) return <Chart {...props} />;
  return problem ? <Problem problem={problem} title="The chart could not be loaded" retry={() => location.reload()} /> : <div class="chart waiting" />;
}
