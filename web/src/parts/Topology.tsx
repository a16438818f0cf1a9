// The picture of the platform: the server pushes config down, sidecars run instances and own functions. Live, and a picture only:
// everything in it is also in the table beside it.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Sidecar } from "../api/sdk.ts";
import { layout, type Box } from "../logic/topology.ts";
import { staleSince } from "../events.ts";
import { plural } from "../logic/format.ts";

const MAX_DOTS = 18;

export function Topology({ sidecars, highlighted, onHighlight }: { sidecars: Sidecar[]; highlighted: string | null; onHighlight(id: string | null): void }) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(900);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const sizes = new ResizeObserver(() => setWidth(Math.max(280, element.clientWidth)));
    sizes.observe(element);
    return () => sizes.disconnect();
  }, []);
  const plan = layout(sidecars, width);
  const { server } = plan;
  const by = new Map(sidecars.map((one) => [one.id, one]));
  const from = { x: server.x + server.width / 2, y: server.y + server.height };
  const label = `A server and ${plural(sidecars.length, "sidecar")}: ${sidecars.map((one) => `${one.id} ${stateOf(one).text}, ${plural(one.instances, "instance")}, owns ${one.owns.length}`).join("; ")}`;
  return (
    <div class="topology" ref={frame}>
      <svg viewBox={`0 0 ${plan.width} ${plan.height}`} width={plan.width} height={plan.height} role="img" aria-label={label}>
        {plan.boxes.map((box) => {
          const sidecar = by.get(box.id);
          return sidecar && <Link key={box.id} from={from} box={box} sidecar={sidecar} />;
        })}
        <g class="server">
          <rect x={server.x} y={server.y} width={server.width} height={server.height} rx={9} />
          <text x={from.x} y={server.y + 20} class="name" text-anchor="middle">Server</text>
          <text x={from.x} y={server.y + 36} class="note" text-anchor="middle">catalogue, on no call’s path</text>
        </g>
        {plan.boxes.map((box) => {
          const sidecar = by.get(box.id);
          const lit = highlighted === box.id;
          return sidecar && <Host key={box.id} box={box} sidecar={sidecar} lit={lit} onEnter={() => onHighlight(box.id)} onLeave={() => onHighlight(null)} />;
        })}
      </svg>
    </div>
  );
}

export function stateOf(sidecar: Sidecar): { tone: "ok" | "warn" | "bad"; text: string } {
  if (!sidecar.connected) return { tone: "bad", text: "not connected" };
  if (keptCatalogue(sidecar)) return { tone: "bad", text: "keeps another catalogue" };
  if (sidecar.draining) return { tone: "warn", text: "draining" };
  if (sidecar.lag > 0) return { tone: "warn", text: `${plural(sidecar.lag, "version")} behind` };
  return { tone: "ok", text: "up to date" };
}

/** Why a sidecar does not take the server's catalogue, if it does not. */
export function keptCatalogue(sidecar: Sidecar): string | undefined {
  const taken = sidecar.conditions.find((condition) => condition.type === "CatalogueTaken");
  return taken?.status === "false" ? taken.message : undefined;
}

/** After every number of a page that lost its server. */
const old = () => (staleSince.value === null ? "" : " · old");

function Link({ from, box, sidecar }: { from: { x: number; y: number }; box: Box; sidecar: Sidecar }) {
  const to = { x: box.x + box.width / 2, y: box.y };
  const middle = from.y + 40;
  const state = stateOf(sidecar);
  const path = `M${from.x} ${from.y}V${middle - 8}Q${from.x} ${middle} ${from.x + Math.sign(to.x - from.x) * 8} ${middle}H${to.x - Math.sign(to.x - from.x) * 8}Q${to.x} ${middle} ${to.x} ${middle + 8}V${to.y}`;
  const straight = Math.abs(to.x - from.x) < 20 ? `M${from.x} ${from.y}L${to.x} ${to.y}` : path;
  return (
    <g class={`link ${state.tone}`}>
      <path d={straight} />
      <text x={to.x + 8} y={to.y - 14} class="note">
        {sidecar.connected ? (sidecar.lag === 0 ? `config ${sidecar.catalogue_version}` : `lag ${sidecar.lag}`) : "gone"}{old()}
      </text>
    </g>
  );
}

interface HostProps {
  box: Box;
  sidecar: Sidecar;
  lit: boolean;
  onEnter(): void;
  onLeave(): void;
}

function Host({ box, sidecar, lit, onEnter, onLeave }: HostProps) {
  const { x, y, width, height } = box;
  const state = stateOf(sidecar);
  const dots = Math.min(sidecar.instances, MAX_DOTS);
  return (
    <g class={`host ${state.tone}${lit ? " lit" : ""}`} onMouseEnter={onEnter} onMouseLeave={onLeave}>
      <rect x={x} y={y} width={width} height={height} rx={9} />
      <circle cx={x + 18} cy={y + 21} r={4} class="dot" />
      <text x={x + 30} y={y + 25} class="name mono">{sidecar.id}</text>
      <text x={x + 14} y={y + 45} class="note">{state.text} · {plural(sidecar.held, "call")} held · {sidecar.async_queued} queued{old()}</text>
      {Array.from({ length: dots }, (_, index) => (
        <rect key={index} class="instance" x={x + 14 + index * 11} y={y + 56} width={8} height={8} rx={2} />
      ))}
      {dots === 0 && <text x={x + 14} y={y + 64} class="note">no instances</text>}
      {sidecar.instances > dots && <text x={x + 16 + dots * 11} y={y + 64} class="note">+{sidecar.instances - dots}</text>}
      <line x1={x} x2={x + width} y1={y + 76} y2={y + 76} />
      <text x={x + 14} y={y + 93} class="note">{sidecar.owns.length === 0 ? "owns no function" : "owns"}</text>
      {box.owned.map((one) => (
        <text key={one.name} x={x + 14} y={one.y + 12} class="owned">{one.name}</text>
      ))}
      {box.more > 0 && <text x={x + 14} y={y + height - 10} class="note">and {box.more} more</text>}
    </g>
  );
}
