// Which function a screen is about, kept in its address.

import { refine } from "../router.ts";

export function FunctionSelect({ names, name, all }: { names: string[]; name: string | null; all?: boolean }) {
  return (
    <select aria-label="Function" value={name ?? ""} onChange={(event) => refine({ function: event.currentTarget.value, instance: "" })}>
      {all && <option value="">All functions</option>}
      {names.map((one) => (
        <option key={one} value={one} selected={one === name}>
          {one}
        </option>
      ))}
    </select>
  );
}
