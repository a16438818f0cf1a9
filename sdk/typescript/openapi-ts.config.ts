// What the generator reads and writes. `make sdk` runs it; `make sdk-check` runs it into another folder and compares.
import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: "../../openapi/openapi.json",
  output: {
    path: process.env.SDK_OUT ?? "src/generated",
    clean: true,
    importFileExtension: ".js",
  },
  plugins: [
    // Where the server is, is its caller's to say, not the document's.
    { name: "@hey-api/client-fetch", throwOnError: true, baseUrl: false },
    "@hey-api/typescript",
    { name: "@hey-api/sdk", responseStyle: "data" },
  ],
});
