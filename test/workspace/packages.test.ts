import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VERSION } from "../../core/src/version.ts";
import { listPublished, listWorkspaces, readManifest, ROOT } from "../../scripts/workspace.ts";

const root = readManifest();
const workspaces = listWorkspaces().map(({ folder, manifest }) => ({ folder, manifest }));
const published = listPublished();
const names = new Set(workspaces.map(({ manifest }) => manifest.name));

it("has core state the version of its package", () => {
  expect(VERSION).toBe(readManifest("core").version);
});

describe.each(workspaces)("$folder", ({ folder, manifest }) => {
  it("has the one version and licence of the repository, and runs on the same Node", () => {
    expect(manifest).toMatchObject({ version: root.version, license: root.license, type: "module" });
    expect(manifest.engines ?? root.engines).toEqual(root.engines);
  });

  it("asks for packages of the repository in exactly this version", () => {
    const asked = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.peerDependencies };
    const own = Object.entries(asked).filter(([name]) => names.has(name));
    expect(own).toEqual(own.map(([name]) => [name, root.version]));
  });

  it("asks for every other package in an exact version", () => {
    const asked = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(asked.filter(([, range]) => !/^\d+\.\d+\.\d+/.test(range))).toEqual([]);
  });

  it("builds after the packages of the repository that it imports", () => {
    const file = join(ROOT, folder, "tsconfig.json");
    if (manifest.private || !existsSync(file)) return;
    const { references = [] } = JSON.parse(readFileSync(file, "utf8")) as { references?: { path: string }[] };
    const imported = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    const folders = workspaces.filter((other) => imported.includes(other.manifest.name));
    expect(references.map(({ path }) => join(folder, path)).sort()).toEqual(
      folders.map((other) => other.folder).sort(),
    );
  });
});

describe.each(published)("$folder, as it is published", ({ folder, manifest }) => {
  it("says what it is", () => {
    expect(manifest.description).toMatch(/\.$/);
    expect(readFileSync(join(ROOT, folder, "LICENSE"), "utf8")).toBe(
      readFileSync(join(ROOT, "LICENSE"), "utf8"),
    );
    expect(readFileSync(join(ROOT, folder, "README.md"), "utf8")).toMatch(/^# /);
  });

  it("states its engines, its files, and its package.json among its exports", () => {
    expect(manifest.engines).toEqual(root.engines);
    expect(manifest.files?.length).toBeGreaterThan(0);
    if (manifest.exports) expect(manifest.exports["./package.json"]).toBe("./package.json");
  });

  it("leads to its source in the repository, to its types and to its build outside of it", () => {
    for (const [path, entry] of Object.entries(manifest.exports ?? {})) {
      if (entry === null || typeof entry === "string") continue;
      expect(Object.keys(entry), path).toEqual(["gatewright-source", "types", "default"]);
      const built = entry["gatewright-source"]!.replace("./src/", "./dist/");
      expect(entry["types"]).toBe(built.replace(/\.ts$/, ".d.ts"));
      expect(entry["default"]).toBe(built.replace(/\.ts$/, ".js"));
    }
  });
});

it.each(published.filter(({ folder }) => folder.startsWith("plugins/")))(
  "$folder is named for its folder and has core as its peer",
  ({ folder, manifest }) => {
    expect(manifest.name).toBe(folder.replace("plugins/", "@gatewright/"));
    expect(manifest.sideEffects).toBe(false);
    expect(manifest.peerDependencies).toHaveProperty("gatewright");
    const siblings = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    expect(siblings.filter((name) => name.startsWith("@gatewright/"))).toEqual([]);
  },
);
