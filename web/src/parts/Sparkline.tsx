// A minute of calls per second, small enough for a table's cell. Decoration: the number is beside it.

const WIDTH = 96;
const HEIGHT = 22;

export function Sparkline({ values }: { values: number[] }) {
  const peak = Math.max(...values, 1e-9);
  const flat = values.every((value) => value === 0);
  const x = (index: number) => ((index / Math.max(1, values.length - 1)) * WIDTH).toFixed(1);
  const y = (value: number) => (HEIGHT - 1.5 - (value / peak) * (HEIGHT - 4)).toFixed(1);
  const line = values.map((value, index) => `${index === 0 ? "M" : "L"}${x(index)} ${flat ? HEIGHT - 1.5 : y(value)}`).join("");
  return (
    <svg class={flat ? "spark flat" : "spark"} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      {!flat && <path class="fill" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />}
      <path class="line" d={line} />
    </svg>
  );
}
