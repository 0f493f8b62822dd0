import { expect, it } from "vitest";
import { localModules } from "../../../core/src/config/local-imports.ts";
import { createProject } from "./_project.ts";

it("lists a module's files, imports before what imports them, and its packages", async () => {
  const project = await createProject({
    "main.ts": `
      import a, { b } from "./a.js";
      import * as all from './lib';
      import "./effect.mjs";
      export * from "./again.ts";
      export { x } from "./again";
      import data from "./data.json" with { type: "json" };
      import { env } from "gatewright"; import{y}from"@acme/pack";
      import { readFile } from "node:fs/promises";
      import type { T } from "./types.ts";
      // import "./commented.ts"
      /* import "./commented.ts" */
      const url = "http://x.test/import"; const later = () => import("./later.ts");
    `,
    "a.ts": `import { x } from "./again.ts"; export default x; export const b = 1;`,
    "again.ts": `import "./main.ts"; export const x = 1;`,
    "lib/index.ts": ``,
    "effect.mjs": ``,
    "data.json": `{}`,
    "types.ts": ``,
    "commented.ts": ``,
    "later.ts": ``,
  });
  const modules = await localModules(project.path("main.ts"), new Set());
  expect(modules.map(({ file }) => file.slice(project.dir.length + 1))).toEqual([
    "again.ts",
    "a.ts",
    "lib/index.ts",
    "effect.mjs",
    "data.json",
    "main.ts",
  ]);
  expect(modules.at(-1)!.packages).toEqual(["gatewright", "@acme/pack"]);
});
