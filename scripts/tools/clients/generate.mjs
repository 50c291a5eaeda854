// Generate `<stem>/src` from `<stem>/openapi.json`: `node generate.mjs STEM ...`.

import { writeFileSync } from "node:fs";

import { createClient } from "@hey-api/openapi-ts";

// The generator writes an object in a query as `request[action]=login` by itself. The contracts say `style: form` and
// `explode: true`, `action=login`; it goes by that for plain objects, but not for objects with variants.
const START = `import type { CreateClientConfig } from "./client.gen.js";

/** Start with the style in which the contract writes objects into a query. */
export const createClientConfig: CreateClientConfig = (config) => ({
  ...config,
  querySerializer: { object: { explode: true, style: "form" } },
});
`;

const stems = process.argv.slice(2);
await createClient(
  stems.map((stem) => ({
    input: `./${stem}/openapi.json`,
    logs: { file: false, level: "warn" },
    output: { module: { extension: ".js" }, path: `${stem}/src` },
    plugins: [
      "@hey-api/typescript",
      "@hey-api/sdk",
      { includeInEntry: true, name: "@hey-api/client-fetch", runtimeConfigPath: `./${stem}/src/start.js` },
    ],
  })),
);
for (const stem of stems) {
  writeFileSync(`${stem}/src/start.ts`, START);
}
