import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { toProjectName } from "./project-name.ts";
import { CreationRefused } from "./refusal.ts";

/** What one file of the project holds. */
export interface ProjectFile {
  /** Within the project, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Readable by its owner alone. */
  readonly secret?: boolean;
}

/**
 * The folder, when a project can be made there: it is absent, or empty save for a `.git`.
 * @throws UsageError for a bad name, CreationRefused for what is there already
 */
export function checkFolder(folder: string): string {
  toProjectName(folder);
  const found = list(folder).filter((name) => name !== ".git");
  if (found.length === 0) return folder;
  const some = found.slice(0, 3).join(", ");
  const rest = found.length > 3 ? ` and ${found.length - 3} more` : "";
  throw new CreationRefused(`The folder ${folder} is not empty: it has ${some}${rest}. Nothing was changed.`);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new CreationRefused(
      code === "ENOTDIR"
        ? `${folder} is a file, or lies within one.`
        : `${folder} cannot be read: ${message}`,
    );
  }
}

/** Writes the files, none over another. @throws CreationRefused with the system's reason */
export function writeProject(folder: string, files: readonly ProjectFile[]): void {
  try {
    for (const { path, text, secret } of files) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { flag: "wx", mode: secret ? 0o600 : 0o644 });
    }
  } catch (error) {
    throw new CreationRefused(`The project could not be written: ${(error as Error).message}`);
  }
}
