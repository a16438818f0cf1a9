// How the dashboard is built, and in development served with the API of a running `gateless up` behind it.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const sdk = (path: string) => fileURLToPath(new URL(`../sdk/typescript/src/${path}`, import.meta.url));
const api = process.env.GATELESS_SERVER ?? "http://127.0.0.1:7780";

export default defineConfig({
  resolve: {
    // The SDK's sources, not its build: what the page does not use stays out of it.
    alias: { "@gateless/sdk": sdk("").replace(/\/$/, "") },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // An inlined asset would be a data: URL, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
  },
  server: {
    fs: { allow: [".", sdk("")] },
    // The server believes a session only of its own pages: the origin must be the proxied one.
    proxy: { "/v1": { target: api, changeOrigin: true, headers: { origin: api } } },
  },
});
