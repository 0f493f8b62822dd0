import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the repository. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url));

/** The part of a `package.json` that is read here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly sideEffects?: boolean;
  readonly bin?: string | Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly workspaces?: readonly string[];
  readonly exports?: Readonly<Record<string, string | null | Readonly<Record<string, string>>>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** One package of the repository. */
export interface Workspace {
  /** From the root, with `/`. */
  readonly folder: string;
  readonly manifest: Manifest;
}

export function readManifest(folder = ""): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Manifest;
}

/** Every package that the root's `workspaces` name, in that order. */
export function listWorkspaces(): Workspace[] {
  return readManifest()
    .workspaces!.flatMap(expand)
    .filter((folder) => existsSync(join(ROOT, folder, "package.json")))
    .map((folder) => ({ folder, manifest: readManifest(folder) }));
}

/** Those that are published. */
export function listPublished(): Workspace[] {
  return listWorkspaces().filter(({ manifest }) => manifest.private !== true);
}

/** `plugins/*` as the folders that are there. */
function expand(pattern: string): string[] {
  if (!pattern.endsWith("/*")) return [pattern];
  const parent = dirname(pattern);
  return readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${parent}/${entry.name}`)
    .sort();
}
