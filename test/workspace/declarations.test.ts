import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../../scripts/workspace.ts";

/** Errors of a type check, one a line. */
function compile(...args: string[]): Promise<string[]> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, ...args, "--pretty", "false"], (_, stdout) =>
      resolve(stdout.split("\n").filter((line) => line.includes("error TS"))),
    );
  });
}

it("declares core in types that hold under exactOptionalPropertyTypes", { timeout: 60_000 }, async () => {
  const folder = join(ROOT, "node_modules/.cache/gatewright-declarations");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const emit = ["--emitDeclarationOnly", "--composite", "false", "--incremental", "false"];
  const out = join(folder, "core");
  expect(await compile("-p", join(ROOT, "core"), ...emit, "--outDir", out)).toEqual([]);
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"],
  };
  const project = join(folder, "tsconfig.json");
  await writeFile(project, JSON.stringify({ compilerOptions, files: ["core/index.d.ts"] }));
  const errors = await compile("-p", project);
  // What h3 declares is its own to mend; no other dependency's types are to be read in every project.
  expect(errors.filter((line) => !line.includes("node_modules/h3/"))).toEqual([]);
});
