import { createRequire } from "node:module";
import { realpathSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { EvalModuleOptions, Jiti } from "jiti";
import { patiently, type Wait } from "../wait.ts";
import { cacheFolder } from "./cache-folder.ts";
import { localModules, type LocalModule } from "./local-imports.ts";

/** Imports the files of one load: fresh code of the project, packages as the process has them. */
export interface ModuleLoader {
  /** A file of the project, as its namespace. TypeScript needs no build. */
  importFile(file: string): Promise<Record<string, unknown>>;
  /** A package, as seen from a folder of the project. */
  importPackage(name: string, dir: string): Promise<Record<string, unknown>>;
  /** Every file read so far, with what it imports. */
  readonly files: Set<string>;
}

/**
 * jiti takes a plain ESM file of a `"type": "module"` project to Node, which keeps it for good: a reload would see
 * old code. So the project's own files go through jiti one by one, imports first, and meet in one cache that lives as
 * long as the loader. Built packages do go to Node and stay one instance; `gatewright` is always this very copy.
 * `wait` waits for the code of each, which may `await` at its top.
 */
export function createModuleLoader(wait: Wait = patiently): ModuleLoader {
  const files = new Set<string>();
  const cache: NonNullable<EvalModuleOptions["cache"]> = Object.create(null);

  async function importFile(file: string): Promise<Record<string, unknown>> {
    const order = await localModules(file, files);
    const aliases = conditionalAliases(order);
    for (const { file: filename, source } of order) {
      const ext = extname(filename);
      if (ext === ".json") delete require.cache[filename];
      else {
        const jiti = await createJitiFor(filename, aliases);
        const evaluated = jiti.evalModule(source, {
          id: filename,
          filename,
          ext,
          async: true,
          forceTranspile: true,
          cache,
        });
        await wait(evaluated, `the code of ${basename(filename)}`);
      }
    }
    // By its real path where it was imported before.
    return (cache[file] ?? cache[realpathSync(file)]!).exports as Record<string, unknown>;
  }

  return {
    files,
    importFile,
    async importPackage(name, dir) {
      const from = join(dir, "_.ts");
      const jiti = await createJitiFor(from, conditionalAliases([{ file: from, packages: [name] }]));
      return wait(jiti.import<Record<string, unknown>>(name), `the code of ${name}`);
    },
  };
}

const require = createRequire(import.meta.url);

async function createJitiFor(file: string, alias: Record<string, string>): Promise<Jiti> {
  const [{ createJiti }, gatewright] = await Promise.all([import("jiti"), import("../index.ts")]);
  return createJiti(file, {
    alias,
    fsCache: cacheFolder(dirname(file)) ?? false,
    moduleCache: false,
    tryNative: false,
    virtualModules: { gatewright },
  });
}

/** jiti does not know `--conditions`: where the process has some, packages are resolved for it. */
function conditionalAliases(
  modules: readonly Pick<LocalModule, "file" | "packages">[],
): Record<string, string> {
  const flags = `${process.execArgv.join(" ")} ${process.env["NODE_OPTIONS"] ?? ""}`;
  if (!/(?:^|\s)(?:-C|--conditions)[\s=]/.test(flags)) return {};
  const aliases: Record<string, string> = {};
  for (const { file, packages } of modules) {
    for (const name of packages) {
      const path = name === "gatewright" ? undefined : resolveFrom(file, name);
      if (path !== undefined) aliases[name] = path;
    }
  }
  return aliases;
}

/** Undefined where `require` does not find it: jiti knows more ways, and says so when none leads there. */
function resolveFrom(file: string, name: string): string | undefined {
  try {
    return createRequire(file).resolve(name);
  } catch {
    return undefined;
  }
}
