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

export type Language = "curl" | "typescript";

export const LANGUAGES: [Language, string][] = [
  ["curl", "curl"],
  ["typescript", "TypeScript"],
];

const shell = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

const quoted = (text: string) => JSON.stringify(text);

export function snippet(language: Language, call: CallToShow): string {
  return { curl, typescript }[language](call);
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

/** Options as an object's lines; none when there are none. */
function typescript(call: CallToShow): string {
  const options: string[] = [];
  const implied = call.body === "" ? "GET" : "POST";
  if (call.method !== implied) options.push(`method: ${quoted(call.method)}`);
  if (call.path !== "/") options.push(`path: ${quoted(call.path)}`);
  if (call.headers.length > 0) {
    options.push(`headers: { ${call.headers.map(([name, value]) => `${quoted(name)}: ${quoted(value)}`).join(", ")} }`);
  }
  if (call.body !== "") options.push(`body: ${quoted(call.body)}`);
  const given = options.length === 0 ? "" : `, {\n${options.map((option) => `  ${option},\n`).join("")}}`;
  const namespace = call.namespace === "default" ? "" : `, namespace: ${quoted(call.namespace)}`;
  return [
    `import { Gateless } from "@gateless/sdk";`,
    ``,
    `const gateless = new Gateless({ url: ${quoted(call.server)}, token: process.env.GATELESS_TOKEN${namespace} });`,
    ...(call.queued
      ? [`const call = await gateless.invokeAsync(${quoted(call.name)}${given});`, `const answer = await call.result({ timeoutMs: 60_000 });`]
      : [`const answer = await gateless.invoke(${quoted(call.name)}${given});`]),
    `console.log(answer.status, await answer.text());`,
  ].join("\n");
}
