// Which rows of a list are ticked. Rows that are no longer in the list are not, whatever was ticked.

import { useState } from "preact/hooks";

export interface Selection {
  has(id: string): boolean;
  size: number;
  all: boolean;
  toggle(id: string): void;
  toggleAll(): void;
  clear(): void;
}

export function useSelection(ids: string[]): Selection {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const present = ids.filter((id) => ticked.has(id));
  return {
    has: (id) => ticked.has(id),
    size: present.length,
    all: ids.length > 0 && present.length === ids.length,
    toggle: (id) => {
      const next = new Set(present);
      if (!next.delete(id)) next.add(id);
      setTicked(next);
    },
    toggleAll: () => setTicked(present.length === ids.length ? new Set() : new Set(ids)),
    clear: () => setTicked(new Set()),
  };
}
