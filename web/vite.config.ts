// How the dashboard is built, and in development served with the API of a running `gateless up` behind it.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { guides } from "./scripts/guides.ts";

const sdk = (path: string) => fileURLToPath(new URL(`../sdk/typescript/src/${path}`, import.meta.url));
const api = process.env.GATELESS_SERVER ?? "http://127.0.0.1:7780";

export default defineConfig({
  plugins: [guides(fileURLToPath(new URL("../docs", import.meta.url)))],
  resolve: {
    // The line below goes into every file, the SDK's too.
    dedupe: ["preact"],
    // The SDK's sources, not its build: what the page does not use stays out of it.
    alias: [
      { find: "@gateless/sdk", replacement: sdk("").replace(/\/$/, "") },
      // The generated client's own event stream: the page has the browser's EventSource, which resumes by itself.
      { find: /^.*\/serverSentEvents\.gen\.js$/, replacement: fileURLToPath(new URL("src/api/noStream.ts", import.meta.url)) },
    ],
  },
  // Children as arguments instead of properties: some 2 KB less.
  oxc: { jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" }, jsxInject: 'import { h, Fragment } from "preact"' },
  build: {
    target: "esnext",
    cssTarget: ["chrome123", "firefox128", "safari17.5"],
    // An inlined asset would be a data: URL, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: false,
    // Reading a property of a module does nothing here; what is never read goes.
    rolldownOptions: { treeshake: { propertyReadSideEffects: false }, optimization: { inlineConst: { mode: "all", pass: 3 } } },
    cssCodeSplit: false,
  },
  // As the server sends it.
  preview: {
    headers: { "content-security-policy": "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'" },
  },
  server: {
    fs: { allow: [".", sdk(""), fileURLToPath(new URL("../openapi", import.meta.url))] },
    // The server believes a session only of its own pages: the origin must be the proxied one.
    proxy: { "/v1": { target: api, changeOrigin: true, headers: { origin: api } } },
  },
});
