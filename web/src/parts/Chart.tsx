// The live chart: calls in flight and held, and instances, on one time line, with the scaling decisions marked on it.
// Only draws; the samples are the store's.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Stats } from "../api/sdk.ts";
import { clockSkew } from "../events.ts";
import { clock, number } from "../logic/format.ts";
import { timeline } from "../logic/timeline.ts";
import { theme } from "../store/theme.ts";

export interface ChartProps {
  stats: Stats;
  /** What of the past is shown, in seconds. */
  seconds: number;
  /** The decision to point at, by its index. */
  marked: number | null;
  onMark(index: number | null): void;
  label: string;
}

const HEIGHT = 260;
const REDRAW_MS = 1000;
/** How near the pointer must be to a decision, in CSS pixels. */
const NEAR = 7;

/** A canvas does not know custom properties: an element resolves them. */
function color(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

export function Chart({ stats, seconds, marked, onMark, label }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const latest = useRef<ChartProps>({ stats, seconds, marked, onMark, label });
  latest.current = { stats, seconds, marked, onMark, label };
  const shade = theme.value;
  const plot = useRef<uPlot>(undefined);

  useEffect(() => {
    const parent = box.current;
    if (!parent) return;
    const drawn = new uPlot(options(parent.clientWidth, latest, tip), [[], [], [], []], parent);
    plot.current = drawn;
    const feed = () => drawn.setData(data(latest.current));
    feed();
    // Time goes on also when nothing happens.
    const timer = setInterval(feed, REDRAW_MS);
    const sizes = new ResizeObserver(() => drawn.setSize({ width: parent.clientWidth, height: HEIGHT }));
    sizes.observe(parent);
    return () => {
      clearInterval(timer);
      sizes.disconnect();
      drawn.destroy();
    };
  }, [shade]);

  useEffect(() => {
    plot.current?.setData(data(latest.current));
  }, [stats, seconds, marked]);

  return (
    <figure class="chart">
      <div ref={box} role="img" aria-label={label} />
      <div ref={tip} class="tip" hidden />
      <figcaption>
        <span class="key flight">in flight</span>
        <span class="key held">held</span>
        <span class="key instances">instances</span>
        <span class="key decision">scaling decision</span>
      </figcaption>
    </figure>
  );
}

function data({ stats, seconds }: ChartProps): uPlot.AlignedData {
  const now = (Date.now() + clockSkew.value) / 1000;
  const line = timeline(stats.samples, now - seconds, now);
  return [line.time, line.ready, line.inFlight, line.held];
}

type Ref<T> = { current: T };

function options(width: number, latest: Ref<ChartProps>, tip: Ref<HTMLDivElement | null>): uPlot.Options {
  // Also drawn anew a second: asked for once.
  const marks = { text: color("--text"), muted: color("--muted") };
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const whole = (_: uPlot, splits: number[]) => splits.map((value) => (Number.isInteger(value) ? String(value) : ""));
  const range = (_: uPlot, __: number, max: number): [number, number] => [0, Math.max(4, Math.ceil((max || 0) * 1.15))];
  return {
    width,
    height: HEIGHT,
    padding: [10, 6, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true, range: (_, __, max) => [max - latest.current.seconds, max] }, calls: { range }, instances: { range } },
    axes: [
      { ...axis, space: 80, size: 30, values: (_, splits) => splits.map((split) => clock(split * 1000)) },
      { ...axis, scale: "calls", size: 40, values: whole },
      { ...axis, scale: "instances", side: 1, size: 34, values: whole, grid: { show: false } },
    ],
    series: [
      {},
      {
        label: "instances",
        scale: "instances",
        stroke: color("--chart-instances"),
        fill: color("--chart-instances-fill"),
        width: 1,
        paths: uPlot.paths.stepped?.({ align: 1 }) as uPlot.Series.PathBuilder,
        points: { show: false },
      },
      { label: "in flight", scale: "calls", stroke: color("--accent"), width: 2, points: { show: false } },
      { label: "held", scale: "calls", stroke: color("--amber"), width: 1.5, dash: [4, 3], points: { show: false } },
    ],
    hooks: {
      draw: [(plot) => drawDecisions(plot, latest.current, marks)],
      setCursor: [(plot) => pointed(plot, latest.current, tip.current)],
    },
  };
}

function drawDecisions(plot: uPlot, { stats, marked }: ChartProps, colors: { text: string; muted: string }): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  stats.decisions.forEach((decision, index) => {
    const x = Math.round(plot.valToPos(Date.parse(decision.time) / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    const on = index === marked;
    ctx.strokeStyle = ctx.fillStyle = on ? colors.text : colors.muted;
    ctx.globalAlpha = on ? 1 : 0.55;
    ctx.lineWidth = (on ? 1.5 : 1) * scale;
    ctx.setLineDash(on ? [] : [2 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    // Up or down.
    const size = (on ? 6 : 4.5) * scale;
    const up = decision.desired >= decision.previous ? -1 : 1;
    const y = bbox.top + size;
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.moveTo(x - size, y - up * size * 0.6);
    ctx.lineTo(x + size, y - up * size * 0.6);
    ctx.lineTo(x, y + up * size * 0.7);
    ctx.fill();
  });
  ctx.restore();
}

function pointed(plot: uPlot, { stats, marked, onMark }: ChartProps, tip: HTMLDivElement | null): void {
  const { left, top, idx } = plot.cursor;
  if (!tip) return;
  if (left === undefined || left < 0 || idx == null) {
    tip.hidden = true;
    if (marked !== null) onMark(null);
    return;
  }
  let near = -1;
  let distance = NEAR;
  stats.decisions.forEach((decision, index) => {
    const away = Math.abs(plot.valToPos(Date.parse(decision.time) / 1000, "x") - left);
    if (away <= distance) [near, distance] = [index, away];
  });
  if ((near < 0 ? null : near) !== marked) onMark(near < 0 ? null : near);
  const [time, ready, inFlight, held] = plot.data.map((column) => column[idx]);
  const decision = stats.decisions[near];
  const rows = [`${number(inFlight ?? 0)} in flight · ${held ?? 0} held · ${ready ?? 0} instances`];
  if (decision) rows.unshift(`${decision.previous} → ${decision.desired}: ${decision.explanation}`);
  const at = decision ? Date.parse(decision.time) : (time ?? 0) * 1000;
  tip.replaceChildren(...[clock(at), ...rows].map((text, row) => line(text, row)));
  tip.hidden = false;
  const width = tip.offsetWidth;
  const x = left + plot.bbox.left / devicePixelRatio;
  const room = plot.width - width - 8;
  tip.style.transform = `translate(${Math.round(x + 14 > room ? x - width - 14 : x + 14)}px, ${Math.round(Math.max(0, (top ?? 0) - 8))}px)`;
}

function line(text: string, row: number): HTMLElement {
  const element = document.createElement(row === 0 ? "strong" : "span");
  element.textContent = text;
  return element;
}
