import { statSync } from "node:fs";
import { join } from "node:path";

const EXTENSIONS: readonly string[] = ["ts", "js", "mjs", "json", "yaml", "yml", "toml"];

/** Where a config is looked for, without extensions, the first first. */
const PLACES: readonly string[] = ["gateway.config", ".config/gateway", "config/gateway"];

/** The config of a folder, and every path that was tried on the way to it. */
export function findConfigFile(cwd: string): { file?: string; tried: readonly string[] } {
  const tried: string[] = [];
  for (const place of PLACES) {
    for (const extension of EXTENSIONS) {
      const file = join(cwd, `${place}.${extension}`);
      tried.push(file);
      if (isFile(file)) return { file, tried };
    }
  }
  return { tried };
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
