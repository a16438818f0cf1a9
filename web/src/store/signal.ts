// The two smallest parts of the store: a list of listeners, and a value components follow. No reducers, no context.

import { useEffect, useReducer } from "preact/hooks";

export interface Listeners<T> {
  tell(value: T): void;
  on(listener: (value: T) => void): () => void;
}

export function listeners<T>(): Listeners<T> {
  const all = new Set<(value: T) => void>();
  return {
    tell: (value) => [...all].forEach((listener) => listener(value)),
    on: (listener) => {
      all.add(listener);
      return () => void all.delete(listener);
    },
  };
}

export interface Cell<T> {
  get(): T;
  set(value: T): void;
  on(listener: (value: T) => void): () => void;
}

export function cell<T>(initial: T): Cell<T> {
  let value = initial;
  const { tell, on } = listeners<T>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      tell(next);
    },
    on,
  };
}

/** The cell's value; the component is drawn again when it changes. */
export function useCell<T>(source: Cell<T>): T {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const seen = source.get();
  useEffect(() => {
    // It may have changed between drawing and here.
    if (!Object.is(seen, source.get())) redraw(0);
    return source.on(() => redraw(0));
  }, [source]);
  return seen;
}
