// After the build: every file once more as gzip and brotli, which the server sends to browsers that take them, and the promise
// that the first screen stays small. What a screen loads later is listed, not limited here.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const DIST = new URL("../dist", import.meta.url).pathname;
/** What has to come before the first screen shows, gzipped. */
const FIRST_SCREEN_BYTES = 100_000;

const files = readdirSync(DIST, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !/\.(gz|br)$/.test(entry.name));
const page = readFileSync(join(DIST, "index.html"), "utf8");
let first = 0;
let later = 0;
for (const entry of files) {
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(`${path}.br`, brotliCompressSync(bytes));
  const name = relative(DIST, path);
  if (name === "index.html" || page.includes(`"/${name}"`)) first += gzip.length;
  else later += gzip.length;
}
console.log(`first screen: ${(first / 1000).toFixed(1)} kB gzip of at most ${FIRST_SCREEN_BYTES / 1000}; later: ${(later / 1000).toFixed(1)} kB`);
if (first > FIRST_SCREEN_BYTES) {
  console.error("the first screen has become too large; see what grew before the limit does");
  process.exit(1);
}
