// What happens, handed to whoever listens. Values that components draw are signals; this is for events, which nobody reads later.

export interface Listeners<T> {
  emit(value: T): void;
  on(listener: (value: T) => void): () => void;
}

export function listeners<T>(): Listeners<T> {
  const all = new Set<(value: T) => void>();
  return {
    emit: (value) => [...all].forEach((listener) => listener(value)),
    on: (listener) => {
      all.add(listener);
      return () => void all.delete(listener);
    },
  };
}
