// Dark or light: the system's choice until somebody makes another. `public/theme.js` applies it before the first paint.

import { signal } from "@preact/signals";

export type Theme = "dark" | "light";

const KEY = "gateless.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function current(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen;
  return system.matches ? "dark" : "light";
}

export const theme = signal<Theme>(current());
system.addEventListener("change", () => (theme.value = current()));

export function toggleTheme(): void {
  const next = current() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It lasts as long as the page.
  }
  theme.value = next;
}
