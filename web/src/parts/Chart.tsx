// The chart: calls in flight and held, and instances, on one time line, with all that happened marked on it. A range of it can be
// chosen by dragging. Only draws; the samples are the store's.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Stats } from "../api/sdk.ts";
import { clockSkew } from "../events.ts";
import { clock, number } from "../logic/format.ts";
import type { Happening } from "../logic/happenings.ts";
import { timeline } from "../logic/timeline.ts";
import { theme } from "../store/theme.ts";

/** In seconds since the Unix epoch. */
export interface Range {
  from: number;
  to: number;
}

export interface ChartProps {
  stats: Stats;
  happenings: Happening[];
  /** What of the past is shown while it is live, in seconds. */
  seconds: number;
  /** What is shown instead; null: live. */
  range: Range | null;
  onRange(range: Range): void;
  /** What to point at, by its key. */
  marked: string | null;
  onMark(key: string | null): void;
  label: string;
}

const HEIGHT = 260;
const REDRAW_MS = 1000;
/** How near the pointer must be to what happened, in CSS pixels. */
const NEAR = 7;
/** A shorter drag is a click, in CSS pixels. */
const DRAGGED = 8;

/** A canvas does not know custom properties: an element resolves them. */
function color(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

export function Chart(props: ChartProps) {
  const { stats, happenings, seconds, range, marked, label } = props;
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const latest = useRef<ChartProps>(props);
  latest.current = props;
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
  }, [stats, happenings, seconds, range, marked]);

  return (
    <figure class="chart">
      <div ref={box} role="img" aria-label={label} />
      <div ref={tip} class="tip" hidden />
      <figcaption>
        <span class="key flight">in flight</span>
        <span class="key held">held</span>
        <span class="key instances">instances</span>
        <span class="key decision">scaling decision</span>
        <span class="key deploy">deploy, traffic</span>
        <span class="key sidecar">sidecar</span>
      </figcaption>
    </figure>
  );
}

function data({ stats, seconds, range }: ChartProps): uPlot.AlignedData {
  const now = (Date.now() + clockSkew.value) / 1000;
  const line = timeline(stats.samples, range?.from ?? now - seconds, range?.to ?? now);
  return [line.time, line.ready, line.inFlight, line.held];
}

type Ref<T> = { current: T };

function options(width: number, latest: Ref<ChartProps>, tip: Ref<HTMLDivElement | null>): uPlot.Options {
  // Also drawn anew a second: asked for once.
  const marks = { text: color("--text"), muted: color("--muted"), accent: color("--accent"), warn: color("--warn"), bad: color("--bad") };
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const whole = (_: uPlot, splits: number[]) => splits.map((value) => (Number.isInteger(value) ? String(value) : ""));
  const x = (_: uPlot, __: number, max: number): [number, number] => {
    const { range: chosen, seconds } = latest.current;
    return chosen ? [chosen.from, chosen.to] : [max - seconds, max];
  };
  const range = (_: uPlot, __: number, max: number): [number, number] => [0, Math.max(4, Math.ceil((max || 0) * 1.15))];
  return {
    width,
    height: HEIGHT,
    padding: [10, 6, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false, dist: DRAGGED }, points: { size: 6 } },
    scales: { x: { time: true, range: x }, calls: { range }, instances: { range } },
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
      draw: [(plot) => drawHappenings(plot, latest.current, marks)],
      setSelect: [(plot) => chosen(plot, latest.current)],
      setCursor: [(plot) => pointed(plot, latest.current, tip.current)],
    },
  };
}

function chosen(plot: uPlot, { onRange }: ChartProps): void {
  const { left, width } = plot.select;
  if (width < DRAGGED) return;
  const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onRange({ from, to });
}

type Colors = Record<"text" | "muted" | "accent" | "warn" | "bad", string>;

function drawHappenings(plot: uPlot, { happenings, marked }: ChartProps, colors: Colors): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  for (const { at, key, kind, up, bad } of happenings) {
    const x = Math.round(plot.valToPos(at / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const on = key === marked;
    const own = bad ? colors.bad : { decision: colors.muted, deploy: colors.accent, sidecar: colors.warn }[kind];
    ctx.strokeStyle = ctx.fillStyle = on ? colors.text : own;
    ctx.globalAlpha = on ? 1 : 0.55;
    ctx.lineWidth = (on ? 1.5 : 1) * scale;
    ctx.setLineDash(on || kind !== "decision" ? [] : [2 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    sign(ctx, kind, up, x, bbox.top, (on ? 6 : 4.5) * scale);
  }
  ctx.restore();
}

/** A decision is an arrow up or down, a deploy a diamond, a sidecar's a square. */
function sign(ctx: CanvasRenderingContext2D, kind: Happening["kind"], up: boolean | null, x: number, top: number, size: number): void {
  const y = top + size;
  const turn = up ? -1 : 1;
  const corners: Record<Happening["kind"], [number, number][]> = {
    decision: [[-1, -0.6 * turn], [1, -0.6 * turn], [0, 0.7 * turn]],
    deploy: [[0, -1], [0.9, 0], [0, 1], [-0.9, 0]],
    sidecar: [[-0.75, -0.75], [0.75, -0.75], [0.75, 0.75], [-0.75, 0.75]],
  };
  ctx.beginPath();
  for (const [dx, dy] of corners[kind]) ctx.lineTo(x + dx * size, y + dy * size);
  ctx.fill();
}

function pointed(plot: uPlot, { happenings, marked, onMark }: ChartProps, tip: HTMLDivElement | null): void {
  const { left, top, idx } = plot.cursor;
  if (!tip) return;
  if (left === undefined || left < 0 || idx == null) {
    tip.hidden = true;
    if (marked !== null) onMark(null);
    return;
  }
  let near: Happening | undefined;
  let distance = NEAR;
  for (const one of happenings) {
    const away = Math.abs(plot.valToPos(one.at / 1000, "x") - left);
    if (away <= distance) [near, distance] = [one, away];
  }
  if ((near?.key ?? null) !== marked) onMark(near?.key ?? null);
  const [time, ready, inFlight, held] = plot.data.map((column) => column[idx]);
  const rows = [`${number(inFlight ?? 0)} in flight · ${held ?? 0} held · ${ready ?? 0} instances`];
  if (near) rows.unshift(near.text ? `${near.title}: ${near.text}` : near.title);
  const at = near ? near.at : (time ?? 0) * 1000;
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
