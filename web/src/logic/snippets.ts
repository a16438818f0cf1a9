// The console's call as code somebody can paste: curl, and each of the SDKs. Only what differs from the defaults is written.

export interface CallToShow {
  /** A sidecar's public URL. */
  sidecar: string;
  /** The management API. */
  server: string;
  namespace: string;
  name: string;
  method: string;
  path: string;
  headers: [string, string][];
  body: string;
  queued: boolean;
}

export type Language = "curl" | "typescript" | "python" | "go" | "rust";

export const LANGUAGES: [Language, string][] = [
  ["curl", "curl"],
  ["typescript", "TypeScript"],
  ["python", "Python"],
  ["go", "Go"],
  ["rust", "Rust"],
];

const shell = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

/** JSON's escapes are JavaScript's, Python's and, for what can be in here, Go's and Rust's. */
const quoted = (text: string) => JSON.stringify(text);

/** Rust writes code points in braces. */
const rust = (text: string) => quoted(text).replace(/\\u([0-9a-f]{4})/g, "\\u{$1}").replace(/\\[bf]/g, (c) => (c === "\\b" ? "\\x08" : "\\x0c"));

export function snippet(language: Language, call: CallToShow): string {
  return { curl, typescript, python, go, rust: rustSnippet }[language](call);
}

function url(call: CallToShow): string {
  const kind = call.queued ? "async-function" : "function";
  return `${call.sidecar.replace(/\/+$/, "")}/${kind}/${call.name}.${call.namespace}${call.path}`;
}

function curl(call: CallToShow): string {
  const lines = [`curl -i ${shell(url(call))}`];
  const implied = call.body === "" ? "GET" : "POST";
  if (call.method !== implied) lines.push(`  -X ${call.method}`);
  for (const [name, value] of call.headers) lines.push(`  -H ${shell(`${name}: ${value}`)}`);
  if (call.body !== "") lines.push(`  --data-binary ${shell(call.body)}`);
  return lines.join(" \\\n");
}
