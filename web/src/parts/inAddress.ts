// A text somebody types that is kept in the address, so that what is shown can be sent to somebody else.

import { useEffect, useRef, useState } from "preact/hooks";
import { refine, useRoute } from "../router.ts";

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
      refine({ [name]: text });
    }, WRITE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}
