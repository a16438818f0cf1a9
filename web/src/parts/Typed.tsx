// A text by which a list is narrowed, in the address.

import { useEffect, useState } from "preact/hooks";
import { refine } from "../router.ts";

interface Props {
  label: string;
  name: string;
  value: string;
  placeholder: string;
  list?: string;
  wrong: boolean | undefined;
}

/** Taken when it is left or Enter is pressed, so that no half a word is asked for. */
export function Typed({ label, name, value, placeholder, list, wrong }: Props) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const take = () => text.trim() !== value && refine({ [name]: text.trim() });
  return (
    <input
      class={name}
      aria-label={label}
      aria-invalid={wrong ? true : undefined}
      placeholder={placeholder}
      list={list}
      value={text}
      autoComplete="off"
      spellcheck={false}
      onInput={(event) => setText(event.currentTarget.value)}
      onChange={take}
      onKeyDown={(event) => event.key === "Enter" && take()}
    />
  );
}
