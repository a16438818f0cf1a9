// Where sidecars, and what they own, stand in the picture. Pure geometry: the drawing is the component's.

export interface Node {
  id: string;
  owns: string[];
}

export interface Box {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** What it owns, as far as there is room, and how many more. */
  owned: { name: string; y: number }[];
  more: number;
}

export interface Layout {
  width: number;
  height: number;
  server: { x: number; y: number; width: number; height: number };
  boxes: Box[];
}

export const BOX_WIDTH = 232;
const BOX_HEAD = 104;
const LINE = 22;
const GAP = 28;
const ROW_GAP = 48;
const MAX_OWNED = 8;
const SERVER = { width: 168, height: 46 };
const TOP = 92;

/** Rows below the server, as many boxes in each as `width` has room for; each row as high as its highest. */
export function layout(nodes: Node[], width: number): Layout {
  const fit = Math.max(1, Math.floor((width + GAP) / (BOX_WIDTH + GAP)));
  const columns = Math.max(1, Math.min(fit, nodes.length));
  const boxes: Box[] = [];
  let y = SERVER.height + TOP;
  for (let start = 0; start < nodes.length; start += columns) {
    const row = nodes.slice(start, start + columns);
    const height = Math.max(...row.map((node) => heightOf(node)));
    const used = row.length * BOX_WIDTH + (row.length - 1) * GAP;
    row.forEach((node, at) => {
      const shown = node.owns.slice(0, MAX_OWNED);
      boxes.push({
        id: node.id,
        x: (width - used) / 2 + at * (BOX_WIDTH + GAP),
        y,
        width: BOX_WIDTH,
        height,
        owned: shown.map((name, line) => ({ name, y: y + BOX_HEAD + line * LINE })),
        more: node.owns.length - shown.length,
      });
    });
    y += height + ROW_GAP;
  }
  const bottom = nodes.length === 0 ? SERVER.height : y - ROW_GAP;
  return { width, height: bottom + 2, server: { x: (width - SERVER.width) / 2, y: 1, ...SERVER }, boxes };
}

function heightOf(node: Node): number {
  const lines = Math.min(node.owns.length, MAX_OWNED) + (node.owns.length > MAX_OWNED ? 1 : 0);
  return BOX_HEAD + Math.max(1, lines) * LINE + 8;
}
