import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { watchConfig } from "../../../core/src/config/watch.ts";
import { createProject, type Project } from "./_project.ts";

interface Watched {
  /** Resolves with the paths of the next change, relative to the project. */
  next: () => Promise<string[]>;
  errors: unknown[];
}

/** Reports changes one after the other; `sourcesAfter` is asked for the new sources at each. */
async function watched(
  project: Project,
  names: string[],
  sourcesAfter = (): string[] => names,
): Promise<Watched> {
  const reports: string[][] = [];
  const waiting: ((paths: string[]) => void)[] = [];
  const errors: unknown[] = [];
  const toPaths = (list: string[]): string[] => list.map((name) => project.path(name));
  const watcher = watchConfig(
    toPaths(names),
    (changed) => {
      const paths = changed.map((path) => path.slice(project.dir.length + 1)).sort();
      const take = waiting.shift();
      if (take) take(paths);
      else reports.push(paths);
      return toPaths(sourcesAfter());
    },
    { onError: (error) => errors.push(error) },
  );
  onTestFinished(() => watcher.close());
  await watcher.ready;
  const next = (): Promise<string[]> => {
    const report = reports.shift();
    return report ? Promise.resolve(report) : new Promise((resolve) => waiting.push(resolve));
  };
  return { next, errors };
}

it("reports a write once, however many files were saved together", async () => {
  const project = await createProject({ "gateway.config.ts": "1", "lib/a.ts": "1", "other.ts": "1" });
  const { next } = await watched(project, ["gateway.config.ts", "lib/a.ts"]);
  await Promise.all([
    project.write("gateway.config.ts", "2"),
    project.write("lib/a.ts", "2"),
    project.write("other.ts", "2"),
  ]);
  const seen = new Set(await next());
  while (seen.size < 2) for (const path of await next()) seen.add(path);
  expect([...seen].sort()).toEqual(["gateway.config.ts", "lib/a.ts"]);
});

it("goes on after an editor saved by rename, and after a file was removed and made again", async () => {
  const project = await createProject({ "gateway.config.ts": "1" });
  const { next } = await watched(project, ["gateway.config.ts"]);
  for (const content of ["2", "3"]) {
    await project.write(".gateway.config.ts.swp", content);
    await rename(project.path(".gateway.config.ts.swp"), project.path("gateway.config.ts"));
    expect(await next()).toEqual(["gateway.config.ts"]);
  }
  await rm(project.path("gateway.config.ts"));
  expect(await next()).toEqual(["gateway.config.ts"]);
  await project.write("gateway.config.ts", "4");
  expect(await next()).toEqual(["gateway.config.ts"]);
});

it("sees a .env file that did not exist", async () => {
  const project = await createProject({ "gateway.config.ts": "1" });
  const { next } = await watched(project, ["gateway.config.ts", ".env"]);
  await project.write(".env", "A=1");
  expect(await next()).toEqual([".env"]);
});

it("watches the sources of the latest load", async () => {
  const project = await createProject({ "gateway.config.ts": "1", "old/a.ts": "1", "new/b.ts": "1" });
  const { next } = await watched(project, ["gateway.config.ts", "old/a.ts"], () => [
    "gateway.config.ts",
    "new/b.ts",
  ]);
  await project.write("gateway.config.ts", "2");
  expect(await next()).toEqual(["gateway.config.ts"]);
  expect(await next()).toEqual(["new/b.ts"]);
  await project.write("old/a.ts", "2");
  await project.write("new/b.ts", "2");
  expect(await next()).toEqual(["new/b.ts"]);
});

it("sees files that are added to a folder of the sources, a new folder included", async () => {
  const project = await createProject({ "gateway.config.ts": "1" });
  await rm(project.path("adapters"), { recursive: true });
  const { next } = await watched(project, ["gateway.config.ts", "adapters"]);
  await mkdir(project.path("adapters"));
  await project.write("adapters/mine.ts", "1");
  const seen = new Set(await next());
  while (!seen.has("adapters/mine.ts")) for (const path of await next()) seen.add(path);
  expect([...seen].sort()).toEqual(["adapters", "adapters/mine.ts"]);
});

it("hands on what the load throws, and goes on", async () => {
  const project = await createProject({ "gateway.config.ts": "1" });
  let loads = 0;
  const { next, errors } = await watched(project, ["gateway.config.ts"], () => {
    if (++loads === 1) throw new Error("broken");
    return ["gateway.config.ts"];
  });
  await project.write("gateway.config.ts", "2");
  await next();
  await project.write("gateway.config.ts", "3");
  await next();
  expect(errors).toEqual([new Error("broken")]);
});

it("takes up a file of a folder that it knew already", async () => {
  const project = await createProject({ "gateway.config.ts": "1", "limits.ts": "1" });
  const { next } = await watched(project, ["gateway.config.ts"], () => ["gateway.config.ts", "limits.ts"]);
  await project.write("gateway.config.ts", "2");
  expect(await next()).toEqual(["gateway.config.ts"]);
  for (const content of ["2", "3"]) {
    await project.write("limits.ts", content);
    expect(await next()).toEqual(["limits.ts"]);
  }
});

it("goes on where a source is a link to itself", async () => {
  const project = await createProject({ "limits.ts": "1" });
  await symlink("gateway.config.ts", project.path("gateway.config.ts"));
  const { next } = await watched(project, ["gateway.config.ts", "limits.ts"]);
  await project.write("limits.ts", "2");
  expect(await next()).toEqual(["limits.ts"]);
});

it("sees what a link leads to go and come back, and the link made anew", async () => {
  const project = await createProject({ "real/c.ts": "1", "other/d.ts": "1" });
  const relink = async (target: string): Promise<void> => {
    await rm(project.path("gateway.config.ts"), { force: true });
    await symlink(target, project.path("gateway.config.ts"));
  };
  await relink("real/c.ts");
  const { next } = await watched(project, ["gateway.config.ts"]);
  await rm(project.path("real/c.ts"));
  await next();
  await project.write("real/c.ts", "2");
  expect(await next()).toContain("real/c.ts");
  await project.write("real/c.ts", "3");
  expect(await next()).toContain("real/c.ts");
  await rm(project.path("real/c.ts"));
  await next();
  await relink("other/d.ts");
  expect(await next()).toContain("gateway.config.ts");
  await project.write("other/d.ts", "2");
  expect(await next()).toContain("other/d.ts");
});

it.each([
  ["was one from the beginning", true],
  ["became one", false],
])(
  "sees the repair of a source that is a link to itself and %s, which is no error of the watch",
  async (_, atFirst) => {
    const project = await createProject(atFirst ? {} : { "gateway.config.ts": "1" });
    const file = project.path("gateway.config.ts");
    const relink = async (): Promise<void> => {
      await rm(file, { force: true });
      await symlink("gateway.config.ts", file);
    };
    if (atFirst) await relink();
    const { next, errors } = await watched(project, ["gateway.config.ts"]);
    if (!atFirst) {
      await relink();
      expect(await next()).toEqual(["gateway.config.ts"]);
    }
    await rm(file);
    await project.write("gateway.config.ts", "2");
    expect(await next()).toEqual(["gateway.config.ts"]);
    await project.write("gateway.config.ts", "3");
    expect(await next()).toEqual(["gateway.config.ts"]);
    expect(errors).toEqual([]);
  },
);
