import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { defineGatewayConfig } from "../../../core/src/config/define.ts";

const TYPES = fileURLToPath(new URL("types/", import.meta.url));
const TSC = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

/** Errors of a type check, one a line, without the folder. */
function typeErrors(project: string): Promise<string[]> {
  return new Promise((resolve) => {
    execFile(process.execPath, [TSC, "-p", project, "--pretty", "false"], { cwd: TYPES }, (_, stdout) => {
      resolve(stdout.split("\n").filter((line) => line.includes("error TS")));
    });
  });
}

it("returns the config as it is", () => {
  const config = { backends: {} };
  expect(defineGatewayConfig(config)).toBe(config);
});

it("accepts and refuses by type what it should, with adapters registered", async () => {
  expect(await typeErrors("tsconfig.json")).toEqual([]);
});

it("takes any adapter while types know none", async () => {
  expect(await typeErrors("tsconfig.unregistered.json")).toEqual([]);
});

it("says what is wrong in words that name it, one error a mistake", async () => {
  const errors = await typeErrors("tsconfig.mistakes.json");
  const expected = [
    `(7,10): error TS2820: Type '"plian"' is not assignable to type '"auto" | "placed" | "plain" | "regional"'. Did you mean '"plain"'?`,
    `(8,43): error TS2561: Object literal may only specify known properties, but 'wieght' does not exist in type 'BackendOf<"plain", BackendFields<"plain">>'. Did you mean to write 'weight'?`,
    `(9,5): error TS2322: Type '{ adapter: "regional"; models: string[]; }' is not assignable to type 'AutoBackend | BackendOf<`,
    `(10,46): error TS2322: Type '"mars"' is not assignable to type '"eu" | "us"'.`,
    `(12,33): error TS2322: Type '"e"' is not assignable to type '"a" | "b" | "c" | "d"'.`,
    `'capcity' does not exist in type '{ capacity?: number | undefined; algorithm?: "a" | "b" | undefined; }'. Did you mean to write 'capacity'?`,
    `Property 'ttlMs' is missing in type '{}' but required in type '{ ttlMs: number; }'.`,
    `is not assignable to type 'Plugin | PluginCondition'.`,
  ];
  expect(errors).toHaveLength(expected.length);
  expected.forEach((text, index) => expect(errors[index]).toContain(text));
});
