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

export const LANGUAGES = [
  ["curl", "curl"],
  ["typescript", "TypeScript"],
  ["python", "Python"],
  ["go", "Go"],
  ["rust", "Rust"],
] as const;

export type Language = (typeof LANGUAGES)[number][0];

const shell = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

/** JSON's escapes are JavaScript's, Python's and Go's too. */
const quoted = (text: string) => JSON.stringify(text);

/** Rust writes code points in braces, and has no \b and \f. */
const rusty = (text: string) =>
  quoted(text).replace(/\\(u([0-9a-f]{4})|[bf\\])/g, (all, kind: string, hex: string | undefined) => {
    if (hex) return `\\u{${hex}}`;
    return { b: "\\u{8}", f: "\\u{c}" }[kind] ?? all;
  });

const WRITERS: Record<Language, (call: CallToShow) => string> = { curl, typescript, python, go, rust };

export function snippet(language: Language, call: CallToShow): string {
  return WRITERS[language](call);
}

interface Style {
  method(text: string): string;
  path(text: string): string;
  headers(all: [string, string][]): string[];
  body(text: string): string;
}

/** The call's options in a language, only those that are not understood without being said. */
function options(call: CallToShow, style: Style): string[] {
  const { method, path, headers, body } = call;
  return [
    ...(method === (body === "" ? "GET" : "POST") ? [] : [style.method(method)]),
    ...(path === "/" ? [] : [style.path(path)]),
    ...(headers.length === 0 ? [] : style.headers(headers)),
    ...(body === "" ? [] : [style.body(body)]),
  ];
}

/** The namespace, where it is not the default one. */
const elsewhere = (call: CallToShow, write: (namespace: string) => string) =>
  call.namespace === "default" ? "" : write(quoted(call.namespace));

const pairs = (headers: [string, string][]) => headers.map(([name, value]) => `${quoted(name)}: ${quoted(value)}`).join(", ");

function url(call: CallToShow): string {
  const kind = call.queued ? "async-function" : "function";
  return `${call.sidecar.replace(/\/+$/, "")}/${kind}/${call.name}.${call.namespace}${call.path}`;
}

function curl(call: CallToShow): string {
  const more = options(call, {
    method: (text) => `-X ${text}`,
    path: () => "",
    headers: (all) => all.map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`),
    body: (text) => `--data-binary ${shell(text)}`,
  });
  return [`curl -i ${shell(url(call))}`, ...more.filter(Boolean)].join(" \\\n  ");
}

function typescript(call: CallToShow): string {
  const given = options(call, {
    method: (text) => `method: ${quoted(text)}`,
    path: (text) => `path: ${quoted(text)}`,
    headers: (all) => [`headers: { ${pairs(all)} }`],
    body: (text) => `body: ${quoted(text)}`,
  });
  const more = given.length === 0 ? "" : `, {\n${given.map((option) => `  ${option},\n`).join("")}}`;
  const where = elsewhere(call, (namespace) => `, namespace: ${namespace}`);
  return `import { Gateless } from "@gateless/sdk";

const gateless = new Gateless({ url: ${quoted(call.server)}, token: process.env.GATELESS_TOKEN${where} });
${
  call.queued
    ? `const call = await gateless.invokeAsync(${quoted(call.name)}${more});
const answer = await call.result({ timeoutMs: 60_000 });`
    : `const answer = await gateless.invoke(${quoted(call.name)}${more});`
}
console.log(answer.status, await answer.text());`;
}

function python(call: CallToShow): string {
  const more = options(call, {
    method: (text) => `method=${quoted(text)}`,
    path: (text) => `path=${quoted(text)}`,
    headers: (all) => [`headers={${pairs(all)}}`],
    body: (text) => `body=${quoted(text)}`,
  });
  const given = [quoted(call.name), ...more].join(", ");
  const where = elsewhere(call, (namespace) => `, namespace=${namespace}`);
  return `import os

from gateless import Gateless

with Gateless(${quoted(call.server)}, token=os.environ["GATELESS_TOKEN"]${where}) as gateless:
    answer = ${call.queued ? `gateless.invoke_async(${given}).result(timeout=60)` : `gateless.invoke(${given})`}
    print(answer.status_code, answer.text)`;
}

function go(call: CallToShow): string {
  const more = options(call, {
    method: (text) => `gateless.Method(${quoted(text)})`,
    path: (text) => `gateless.Path(${quoted(text)})`,
    headers: (all) => all.map(([name, value]) => `gateless.Header(${quoted(name)}, ${quoted(value)})`),
    body: (text) => `gateless.Body([]byte(${quoted(text)}))`,
  });
  const given = ["ctx", quoted(call.name), ...more].join(", ");
  const where = elsewhere(call, (namespace) => `, gateless.WithNamespace(${namespace})`);
  const failed = `if err != nil {\n\tlog.Fatal(err)\n}`;
  return `client := gateless.New(${quoted(call.server)}, gateless.WithToken(os.Getenv("GATELESS_TOKEN"))${where})
${call.queued ? `call, err := client.InvokeAsync(${given})\n${failed}\nanswer, err := call.Result(ctx)` : `answer, err := client.Invoke(${given})`}
${failed}
defer answer.Body.Close()
fmt.Println(answer.StatusCode)`;
}

function rust(call: CallToShow): string {
  const more = options(call, {
    method: (text) => `.method(Method::${text})`,
    path: (text) => `.path(${rusty(text)})`,
    headers: (all) => all.map(([name, value]) => `.header(${rusty(name)}, ${rusty(value)})`),
    body: (text) => `.body(${rusty(text)})`,
  });
  const invoke = ["Invoke::new()", ...more].join("");
  const where = elsewhere(call, (namespace) => `\n    .namespace(${namespace})`);
  return `use gateless_sdk::{Gateless, Invoke};
${invoke.includes("Method::") ? "use reqwest::Method;\n" : ""}
let gateless = Gateless::builder(${rusty(call.server)})
    .token(std::env::var("GATELESS_TOKEN")?)${where}
    .build()?;
${
  call.queued
    ? `let call = gateless.invoke_async(${rusty(call.name)}, ${invoke}).await?;
let answer = call.result(std::time::Duration::from_secs(60)).await?;`
    : `let answer = gateless.invoke(${rusty(call.name)}, ${invoke}).await?;`
}
println!("{} {}", answer.status(), answer.text().await?);`;
}
