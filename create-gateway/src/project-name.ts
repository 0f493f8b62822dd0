import { basename, resolve } from "node:path";
import { UsageError } from "./refusal.ts";

/** Name of the package in a folder, which npm takes as it is. @throws UsageError */
export function toProjectName(folder: string): string {
  const name = basename(resolve(folder));
  if (/^[a-z0-9][a-z0-9._~-]{0,213}$/.test(name) && !TAKEN.has(name)) return name;
  const problem = TAKEN.has(name)
    ? "is taken by a package that the project needs"
    : "must be of small letters, digits, `-`, `.`, `_` and `~`, and begin with a letter or a digit";
  throw new UsageError(`The name ${JSON.stringify(name)} ${problem}. ${suggest(name)}`.trimEnd());
}

/** A project cannot install a package of its own name. */
const TAKEN: ReadonlySet<string> = new Set([
  "gatewright",
  "ioredis",
  "node_modules",
  "typescript",
  "valibot",
]);

function suggest(name: string): string {
  const near = name
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "");
  return near === "" || near === name || TAKEN.has(near) ? "" : `Try ${near}.`;
}
