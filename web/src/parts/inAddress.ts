// What is kept in the address, so that what is shown can be sent to somebody else, and gone back from: a text somebody types, and what a
// dialog is open for.

import { useEffect, useRef, useState } from "preact/hooks";
import { leaveEntry, openAt, overlay, refine, useRoute } from "../router.ts";

/** After the last key: browsers refuse to change the address at every one. */
const WRITE_MS = 300;

export function useInAddress(name: string): [text: string, set: (text: string) => void] {
  const there = useRoute().query.get(name) ?? "";
  const [text, setText] = useState(there);
  const known = useRef(there);
  // Changed from elsewhere, as by going back.
  useEffect(() => {
    if (there === known.current) return;
    known.current = there;
    setText(there);
  }, [there]);
  useEffect(() => {
    if (text === known.current) return;
    const timer = setTimeout(() => {
      known.current = text;
      refine({ [name]: text }, "replace");
    }, WRITE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}

/** What a dialog is open for, empty for nothing. The dialog's entry in the history (overlay.ts) is the one made here. */
export function useChosen(name: string): [chosen: string, choose: (what: string) => void] {
  const chosen = useRoute().query.get(name) ?? "";
  const choose = (what: string) => {
    if (what !== "") openAt({ [name]: what });
    else if (overlay() !== null) leaveEntry();
    else refine({ [name]: "" }, "replace");
  };
  return [chosen, choose];
}
