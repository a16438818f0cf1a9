// Tabs as links: the address says which is open, so it can be shared, and Back works.

import { refine } from "../router.ts";

interface Props<T extends string> {
  label: string;
  tabs: (readonly [T, string])[];
  open: T;
}

export function Tabs<T extends string>({ label, tabs, open }: Props<T>) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([key, text], index) => (
        <a
          key={key}
          href={index === 0 ? "?" : `?tab=${key}`}
          aria-current={key === open ? "page" : undefined}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
            event.preventDefault();
            refine({ tab: index === 0 ? "" : key });
          }}
        >
          {text}
        </a>
      ))}
    </nav>
  );
}
