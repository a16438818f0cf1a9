// Which function a screen is about, kept in its address.

import { useMemo, useState } from "preact/hooks";
import { refine } from "../router.ts";
import { useLive } from "../store/live.ts";
import * as resources from "../store/resources.ts";

/** Options that are there before somebody turns to them: thousands would be a page's longest work. */
const MAX_AT_ONCE = 200;

/** The names of a namespace's functions, the same array until they change; undefined: not read yet. */
export function useNames(namespace: string): string[] | undefined {
  const items = useLive(resources.functions(namespace)).value?.items;
  return useMemo(() => items?.map((fn) => fn.name), [items]);
}

export function FunctionSelect({ names, name, all }: { names: string[]; name: string | null; all?: boolean }) {
  const [every, setEvery] = useState(false);
  const open = () => setEvery(true);
  const options = useMemo(() => {
    const shown = every ? names : names.slice(0, MAX_AT_ONCE);
    const chosen = name !== null && !shown.includes(name) ? [name] : [];
    return [...chosen, ...shown].map((one) => (
      <option key={one} value={one} selected={one === name}>
        {one}
      </option>
    ));
  }, [names, name, every]);
  return (
    <select aria-label="Function" value={name ?? ""} onFocus={open} onPointerDown={open} onChange={(event) => refine({ function: event.currentTarget.value, instance: "" })}>
      {all && <option value="">All functions</option>}
      {options}
    </select>
  );
}
