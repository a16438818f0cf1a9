// The icons, drawn here so that no icon set is a dependency. All are decoration: what they mean is said beside them.

const PATHS = {
  functions: "M4 12h5l2-7 3 14 2-7h4",
  calls: "M4 7h11M4 12h16M4 17h8",
  records: "M4 6h16M4 10h9M4 14h16M4 18h6M17 10v.1M13 18v.1",
  dead: "M12 4a7 7 0 0 0-4 12.7V20h8v-3.3A7 7 0 0 0 12 4zM9.5 11v.5M14.5 11v.5",
  queues: "M4 6h16v5H4zM4 13h16v5H4z",
  triggers: "M13 3 5 14h6l-1 7 8-11h-6z",
  logs: "M5 4h14v16H5zM8 9h8M8 13h8M8 17h4",
  invoke: "M7 5l11 7-11 7z",
  sidecars: "M12 4v5M12 9 6 15M12 9l6 6M4 15h4v4H4zM16 15h4v4h-4zM10 2h4v4h-4z",
  secrets: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  tokens: "M14 10a4 4 0 1 0-3.5 4L13 16.5V19h3v-2h2v-3l-4-4z",
  audit: "M6 3h9l3 3v15H6zM9 10h6M9 14h6M9 18h3",
  alert: "M12 4 3 19h18zM12 10v4M12 16.6v.2",
  check: "M5 12.5l4.5 4.5L19 7.5",
  copy: "M9 9h10v10H9zM5 15V5h10",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.6 9.5a2.5 2.5 0 1 1 3.4 2.3c-.7.3-1 .8-1 1.7M12 16.6v.2",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  right: "M9 6l6 6-6 6",
  pause: "M8 5v14M16 5v14",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  back: "M15 6l-6 6 6 6",
  upload: "M12 16V5M7 9l5-5 5 5M5 19h14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
