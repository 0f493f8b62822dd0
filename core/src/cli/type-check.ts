import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { cacheFolder } from "../config/cache-folder.ts";
import { adaptersFolder } from "../config/discover-adapters.ts";
import { findUpwards } from "../config/find-file.ts";
import { configFolder } from "../config/load.ts";

export interface TypeCheck {
  /** Why types were not checked; absent when they were. */
  readonly skipped?: string;
  /** Errors of the compiler, one a text. */
  readonly errors: readonly string[];
}

/**
 * Checks the types of a config file as an editor would: with the project's own TypeScript and `tsconfig.json`, and
 * with the adapters registered. Files that are not TypeScript have none.
 */
export async function checkTypes(file: string): Promise<TypeCheck> {
  if (extname(file) !== ".ts") return { skipped: "the config is not TypeScript", errors: [] };
  const require = createRequire(file);
  const compiler = find(require, "typescript/package.json");
  const folder = cacheFolder(dirname(file));
  if (compiler === undefined || folder === undefined) {
    return { skipped: "typescript is not installed (npm install -D typescript)", errors: [] };
  }
  const project = await writeProject(file, folder, {
    adapters: find(require, "@gatewright/adapters") !== undefined,
    node: find(require, "@types/node/package.json") !== undefined,
  });
  const output = await run(
    join(dirname(compiler), "bin", "tsc"),
    ["-p", project, "--pretty", "false"],
    dirname(file),
  );
  return { errors: toErrors(output) };
}

/**
 * The project's settings for this one file and the adapters beside it. They live within `node_modules`, so that
 * packages are found from there.
 */
async function writeProject(
  file: string,
  folder: string,
  installed: { adapters: boolean; node: boolean },
): Promise<string> {
  const base = findUpwards(dirname(file), "tsconfig.json");
  const config = {
    ...(base !== undefined && { extends: base }),
    compilerOptions: {
      ...(base === undefined && {
        target: "es2023",
        module: "nodenext",
        strict: true,
        types: installed.node ? ["node"] : [],
      }),
      // What packages declare is for their authors to mend.
      skipLibCheck: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      composite: false,
      incremental: false,
      declaration: false,
      sourceMap: false,
      rootDir: null,
      outDir: null,
    },
    files: [file, ...(installed.adapters ? ["./adapters.d.ts"] : [])],
    // What the project's own adapters declare is known to the config without an import.
    include: [join(adaptersFolder(configFolder(file)), "*.ts")],
    references: [],
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "adapters.d.ts"), 'import "@gatewright/adapters";\n');
  const project = join(folder, "tsconfig.check.json");
  await writeFile(project, JSON.stringify(config, null, 2));
  return project;
}

function find(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

function run(script: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, ...args], { cwd }, (error, stdout, stderr) => {
      if (error && stdout === "") reject(new Error(`The type check did not run: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
}

/** Continuation lines belong to the error before them. */
function toErrors(output: string): string[] {
  const errors: string[] = [];
  for (const line of output.split("\n").filter((text) => text !== "")) {
    if (/^\s/.test(line) && errors.length > 0) errors.push(`${errors.pop()}\n${line}`);
    else errors.push(line);
  }
  return errors;
}
