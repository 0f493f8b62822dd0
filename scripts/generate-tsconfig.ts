import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { GeneratedFile } from "./generate.ts";
import { listPublished, ROOT } from "./workspace.ts";

const FILE = join(ROOT, "tsconfig.json");

/** The root `tsconfig.json`: its `references` are the packages that `tsc -b` builds, the rest of it stays. */
export function generateTsconfig(): GeneratedFile[] {
  const config = JSON.parse(readFileSync(FILE, "utf8")) as Record<string, unknown>;
  const references = listPublished()
    .filter(({ folder }) => existsSync(join(ROOT, folder, "tsconfig.json")))
    .map(({ folder }) => ({ path: folder }));
  return [{ file: FILE, text: `${JSON.stringify({ ...config, references }, null, 2)}\n` }];
}
