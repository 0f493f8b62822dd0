import { writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { generateAdapterIndex } from "./generate-adapters.ts";
import { generateLock } from "./generate-lock.ts";
import { generateReadme } from "./generate-readme.ts";
import { generateReference } from "./generate-reference.ts";
import { generateTsconfig } from "./generate-tsconfig.ts";
import { readIfThere } from "./read-if-there.ts";

/** A file that follows from others, or holds a part that does. */
export interface GeneratedFile {
  readonly file: string;
  readonly text: string;
}

/** Every generated file as it should be now. */
export async function generateAll(): Promise<GeneratedFile[]> {
  return [
    ...generateAdapterIndex(),
    ...generateLock(),
    ...generateTsconfig(),
    ...(await generateReference()),
    ...generateReadme(),
  ];
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, text } of await generateAll()) {
    if (readIfThere(file) === text) continue;
    writeFileSync(file, text);
    console.log(`wrote ${file}`);
  }
}
