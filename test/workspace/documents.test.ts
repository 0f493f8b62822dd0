import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import * as core from "gatewright";
import { expect, it } from "vitest";
import { listAdapters } from "../../scripts/generate-adapters.ts";
import { listPublished, ROOT } from "../../scripts/workspace.ts";

const documents = [
  "README.md",
  "bench/README.md",
  ...listPublished().map(({ folder }) => `${folder}/README.md`),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

const text = (document: string): string => readFileSync(join(ROOT, document), "utf8");

it("compiles every TypeScript example of the documents", { timeout: 60_000 }, async () => {
  const folder = join(ROOT, "node_modules/.cache/gatewright-examples");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const examples = documents.flatMap(examplesOf);
  expect(examples.length).toBeGreaterThan(10);
  for (const { name, code } of examples) await writeFile(join(folder, name), code);
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: relative(folder, join(ROOT, "tsconfig.base.json")),
      compilerOptions: {
        composite: false,
        declaration: false,
        sourceMap: false,
        noEmit: true,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
      },
      files: [relative(folder, join(ROOT, "gateway-env.d.ts")), ...examples.map(({ name }) => name)],
    }),
  );
  expect(await compile(folder)).toBe("");
});

/** Blocks marked `ts`, each a file named for its document and the line it starts at. */
function examplesOf(document: string): { name: string; code: string }[] {
  const whole = text(document);
  return [...whole.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ 1: code, index }) => ({
    name: `${document.replaceAll("/", "-")}-line-${whole.slice(0, index).split("\n").length}.ts`,
    // Without an import or export it would be a script, whose names clash with those of others.
    code: /^(?:import|export) /m.test(code!) ? code! : `${code!}export {};\n`,
  }));
}

function compile(folder: string): Promise<string> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", folder, "--pretty", "false"], (error, stdout, stderr) =>
      resolve(error ? stdout + stderr || error.message : stdout),
    );
  });
}

it.each(documents)("has no dead link to a file of the repository in %s", (document) => {
  const links = [...text(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target!);
  const missing = links.filter((target) => !existsSync(join(ROOT, dirname(document), target)));
  expect(missing).toEqual([]);
});

it("documents every error code of core with its status and type, and no other", () => {
  const rows = [...text("docs/errors.md").matchAll(/^\| `(\w+)` \| (\d{3}) \| `(\w+)` \|/gm)];
  const documented = rows.map(([, code, status, type]) => `${code} ${status} ${type}`);
  const known = Object.entries(core.ERROR_CODES).map(
    ([code, { status, type }]) => `${code} ${status} ${type}`,
  );
  expect(documented.sort()).toEqual(known.sort());
});

it("names every adapter in their README", () => {
  const named = new Set([...text("adapters/README.md").matchAll(/`([\w-]+)`/g)].map(([, name]) => name!));
  expect(listAdapters().filter((name) => !named.has(name))).toEqual([]);
});

it("lists every export of core in its README once, and no other", () => {
  const table = /^## Exports\n(.*)/ms.exec(text("core/README.md"))![1]!;
  const listed = [...table.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  expect(listed.sort()).toEqual(Object.keys(core).sort());
});
