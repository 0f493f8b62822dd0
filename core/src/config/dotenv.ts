import { join } from "node:path";
import { isFile } from "./find-file.ts";

const DOTENV_FILES: readonly string[] = [".env", ".env.local"];

/** What this process has from files, so that the next load can take back what was removed from them. */
const fromFiles = new Map<string, string>();

/**
 * Brings `.env` and `.env.local` of a folder into `process.env`: the later file wins, the real environment wins over
 * both, and a variable that left the files is gone after a reload. Returns the paths, existing or not.
 */
export async function applyDotenv(dir: string): Promise<string[]> {
  for (const [name, value] of fromFiles) {
    if (process.env[name] === value) delete process.env[name];
  }
  fromFiles.clear();
  const files = DOTENV_FILES.map((name) => join(dir, name));
  const present = DOTENV_FILES.filter((_, index) => isFile(files[index]!));
  if (present.length === 0) return files;
  const { loadDotenv } = await import("c12");
  const variables = await loadDotenv({
    cwd: dir,
    fileName: present,
    env: process.env,
    interpolate: true,
  });
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined || name in process.env || name.startsWith("_")) continue;
    process.env[name] = value;
    fromFiles.set(name, value);
  }
  return files;
}
