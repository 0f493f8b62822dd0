import { execFile } from "node:child_process";
import { mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readManifest } from "../../scripts/workspace.ts";
import { makeFolder, removeFolder, ROOT } from "./_program.ts";

const run = promisify(execFile);

/** What a project may need of this repository, and the program that makes it. */
const OWN = [
  "create-gateway",
  "core",
  "adapters",
  ...["api-keys", "balancer", "circuit-breaker", "health-check", "rate-limit", "retry"].map(
    (name) => `plugins/${name}`,
  ),
];

/** Packages as a registry would give them. */
export interface Installed {
  /** `create-gateway`, as its package has it. */
  readonly program: string;
  /** Puts the packages into a project, as its `npm install` would. */
  installInto(project: string): Promise<void>;
  remove(): Promise<void>;
}

/**
 * Builds and packs our own packages and unpacks the tarballs, since no registry has them; those of others are this
 * workspace's. Nothing leads from there to a source file.
 */
export async function packAndInstall(): Promise<Installed> {
  const dir = await makeFolder();
  const modules = join(dir, "node_modules");
  await run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-b", ...OWN], { cwd: ROOT });
  await run("npm", ["pack", "--silent", "--pack-destination", dir, ...OWN.flatMap((own) => ["-w", own])], {
    cwd: ROOT,
  });
  await mkdir(modules);
  for (const folder of OWN) {
    const { name, version } = readManifest(folder);
    const tarball = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
    await mkdir(join(modules, name), { recursive: true });
    await run("tar", ["-xzf", join(dir, tarball), "-C", join(modules, name), "--strip-components=1"]);
  }
  await linkOthers(modules);
  return {
    program: join(modules, "create-gateway/bin/create-gateway.js"),
    async installInto(project) {
      const own = join(project, "node_modules");
      await mkdir(join(own, "@gatewright"), { recursive: true });
      for (const name of Object.keys(await dependenciesOf(project)))
        await symlinkInto(own, name, join(modules, name));
      // Who looks for a compiler or its types looks from the project.
      await symlinkInto(own, ".bin", join(ROOT, "node_modules/.bin"));
    },
    remove: () => removeFolder(dir),
  };
}

/** Those of others, each where the packages look for it. */
async function linkOthers(modules: string): Promise<void> {
  const there = join(ROOT, "node_modules");
  for (const name of await readdir(there)) {
    if (name.startsWith(".") || ["@gatewright", "gatewright", "create-gateway"].includes(name)) continue;
    await symlink(join(there, name), join(modules, name));
  }
}

async function dependenciesOf(project: string): Promise<Record<string, string>> {
  const { default: manifest } = (await import(join(project, "package.json"), {
    with: { type: "json" },
  })) as { default: Record<"dependencies" | "devDependencies", Record<string, string>> };
  return { ...manifest.dependencies, ...manifest.devDependencies };
}

async function symlinkInto(modules: string, name: string, target: string): Promise<void> {
  const place = join(modules, name);
  await mkdir(join(place, ".."), { recursive: true });
  await symlink(target, place);
}
