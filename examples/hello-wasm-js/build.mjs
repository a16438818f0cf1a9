// Makes build/hello.wasm of hello.js: the program, and the JavaScript engine it needs, in one component.
//
// componentize-js 0.23 carries an engine built for wasi:http 0.2.10, but no WIT files. The Rust crate wasip2, which the
// Rust example next door is built with, has those of 0.2.12, so cargo is asked where it keeps them. The two versions
// differ in nothing the engine uses, so the number is changed here.

import { componentize } from '@bytecodealliance/componentize-js';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENGINE = '0.2.10';
const here = dirname(fileURLToPath(import.meta.url));
const build = join(here, 'build');
const wit = join(build, 'wit');

const carried = join(crate('wasip2'), 'wit', 'deps');
await mkdir(join(wit, 'deps'), { recursive: true });
for (const name of await readdir(carried)) {
  const text = await readFile(join(carried, name), 'utf8');
  await writeFile(join(wit, 'deps', name), text.replaceAll(/\b0\.2\.1\d\b/g, ENGINE));
}
const world = `package local:hello;\nworld hello { export wasi:http/incoming-handler@${ENGINE}; }\n`;
await writeFile(join(wit, 'world.wit'), world);

const { component } = await componentize({
  sourcePath: join(here, 'hello.js'),
  witPath: wit,
  worldName: 'hello',
});
await writeFile(join(build, 'hello.wasm'), component);

function crate(name) {
  const manifest = join(here, '..', 'hello-wasm-rust', 'Cargo.toml');
  const args = ['metadata', '--locked', '--format-version', '1', '--manifest-path', manifest];
  const options = { encoding: 'utf8', maxBuffer: 64 << 20 };
  const { packages } = JSON.parse(execFileSync(process.env.CARGO ?? 'cargo', args, options));
  return dirname(packages.find((found) => found.name === name).manifest_path);
}
