import { existsSync, lstatSync, statSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";

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
  return statsOf(path)?.isFile() === true;
}

export function isFolder(path: string): boolean {
  return statsOf(path)?.isDirectory() === true;
}

/** A link to what is not there, or to itself. */
export function isDeadLink(path: string): boolean {
  return statsOf(path, lstatSync)?.isSymbolicLink() === true && !statsOf(path);
}

/** Undefined for what cannot be reached, whether it is missing or behind links that lead in a circle. */
function statsOf(path: string, look: (path: string) => Stats = statSync): Stats | undefined {
  try {
    return look(path);
  } catch {
    return undefined;
  }
}

/** What has that name in a folder, or else in the nearest one above it. */
export function findUpwards(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  if (existsSync(path)) return path;
  return dirname(dir) === dir ? undefined : findUpwards(dirname(dir), name);
}
