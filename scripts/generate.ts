import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { indexFile, listAdapters, renderIndex } from "./generate-adapters.ts";
import { generateReference } from "./generate-reference.ts";
import { generateTsconfig } from "./generate-tsconfig.ts";
import { generateReadmeFigures } from "./readme-figures.ts";

/** A file that follows from others, or holds a part that does. */
export interface GeneratedFile {
  readonly file: string;
  readonly text: string;
}

/** Every generated file as it should be now. */
export async function generateAll(): Promise<GeneratedFile[]> {
  return [
    { file: indexFile, text: renderIndex(listAdapters()) },
    ...generateTsconfig(),
    ...(await generateReference()),
    ...generateReadmeFigures(),
  ];
}

/** `undefined` for a file that is not there yet. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, text } of await generateAll()) {
    if (readIfThere(file) === text) continue;
    writeFileSync(file, text);
    console.log(`wrote ${file}`);
  }
}
