// After the build: every file once more as gzip and brotli, which the server sends to browsers that take them, and the promise
// that all of it together stays small.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const DIST = new URL("../dist", import.meta.url).pathname;
/** Everything there is, gzipped: 80 KiB. */
const LIMIT = 80 * 1024;

const files = readdirSync(DIST, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !/\.(gz|br)$/.test(entry.name));
let total = 0;
for (const entry of files) {
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(`${path}.br`, brotliCompressSync(bytes));
  total += gzip.length;
}
console.log(`${files.length} files, ${(total / 1024).toFixed(1)} KiB gzip of at most ${LIMIT / 1024}`);
if (total > LIMIT) {
  console.error("the dashboard has become too large; see what grew before the limit does");
  process.exit(1);
}
