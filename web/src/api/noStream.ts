// Stands in for the generated client's event stream, which this page does not use: see vite.config.ts.

export function createSseClient(): never {
  throw new Error("the page follows events by EventSource");
}
