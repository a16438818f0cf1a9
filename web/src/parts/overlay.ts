// A dialog has an entry of its own in the browser's history, so that Back closes it and leaves what is under it as it was.
// One that is closed otherwise takes its entry along, unless what came next has taken the entry over: another dialog, or another page.

import { useLayoutEffect, useRef } from "preact/hooks";
import { enterDialog, overlay } from "../router.ts";

let count = 0;

export function useOverlay(close: () => void): void {
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => {
    // Of this visit: an entry that a reload has kept belongs to no dialog.
    const own = `${performance.timeOrigin} ${(count += 1)}`;
    const closed = enterDialog(own);
    const moved = () => {
      if (overlay() !== own) latest.current();
    };
    addEventListener("popstate", moved);
    return () => {
      removeEventListener("popstate", moved);
      closed();
    };
  }, []);
}
