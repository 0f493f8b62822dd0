import { readFile, realpath } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { isFile } from "./find-file.ts";

/** A file of the project and what it imports. */
export interface LocalModule {
  readonly file: string;
  readonly source: string;
  /** Packages imported by name. */
  readonly packages: readonly string[];
}

/**
 * The files that a module is made of, itself last, in the order in which they can be evaluated: a file stands behind
 * what it imports. Read from the text, so that a file with a syntax error is found too. An import goes by its real
 * path, as Node has it. Files in `found` are left out; new ones are added to it, and so are the links that led there.
 */
export async function localModules(entry: string, found: Set<string>): Promise<LocalModule[]> {
  const order: LocalModule[] = [];
  async function visit(file: string): Promise<void> {
    if (found.has(file)) return;
    found.add(file);
    const source = await readFile(file, "utf8");
    const specifiers = /^\.[cm]?[jt]s$/.test(extname(file)) ? staticImports(source) : [];
    for (const specifier of specifiers.filter((one) => one.startsWith("."))) {
      const path = locate(resolve(dirname(file), specifier));
      if (path === undefined) continue;
      await visit(await realpath(path));
      found.add(path);
    }
    const packages = specifiers.filter((one) => /^[@\w]/.test(one) && !one.startsWith("node:"));
    order.push({ file, source, packages });
  }
  await visit(entry);
  return order;
}

/** `import "x"`, `import a, { b } from "x"`, `export * from "x"`; not `import type`, which leaves no code, nor `import()`. */
const IMPORT = /(?:^|[;}\s])(?:import|export)(?!\s*type\s)\s*(?:[\w$*{}\s,]+?from\s*)?(["'])([^"'\n]+)\1/g;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

function staticImports(source: string): string[] {
  return [...source.replace(COMMENT, "").matchAll(IMPORT)].map((match) => match[2]!);
}

/** A relative import as Node and TypeScript spell it: with its extension, with `.js` for `.ts`, or with none. */
function locate(path: string): string | undefined {
  const typed = path.replace(/\.([cm]?)js$/, ".$1ts");
  const candidates = [
    path,
    typed,
    ...[".ts", ".js", ".mjs", "/index.ts", "/index.js"].map((end) => path + end),
  ];
  return candidates.find(isFile);
}
