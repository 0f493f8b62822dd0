import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { GeneratedFile } from "./generate.ts";
import { listPublished, ROOT } from "./workspace.ts";

const FILE = join(ROOT, "tsconfig.json");

/** The root `tsconfig.json`: its `references` are the packages that `tsc -b` builds; the rest of it stays. */
export function generateTsconfig(): GeneratedFile[] {
  const references = listPublished()
    .filter(({ folder }) => existsSync(join(ROOT, folder, "tsconfig.json")))
    .map(({ folder }) => `    {\n      "path": "${folder}"\n    }`);
  const text = readFileSync(FILE, "utf8").replace(
    /"references": \[.*?\n {2}\]/s,
    `"references": [\n${references.join(",\n")}\n  ]`,
  );
  return [{ file: FILE, text }];
}
