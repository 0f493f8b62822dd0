import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { STORES, type Answers, type GivenAnswers } from "../../create-gateway/src/answers.ts";
import { BACKENDS } from "../../create-gateway/src/backends.ts";
import { writeProject } from "../../create-gateway/src/folder.ts";
import { PLUGINS } from "../../create-gateway/src/plugins.ts";
import { renderProject } from "../../create-gateway/src/project.ts";
import { listPublished } from "../../scripts/workspace.ts";
import { answersOf, backendsOf, subsets, SURROUNDINGS } from "./_answers.ts";
import { makeFolder, removeFolder, ROOT, runNode, TSX } from "./_program.ts";

const LOADER = fileURLToPath(new URL("_load-configs.ts", import.meta.url));

/** Every set of backends with every store; every set of plugins with and without the example. */
const EVERY: readonly Partial<GivenAnswers>[] = [
  ...subsets(BACKENDS)
    .filter((backends) => backends.length > 0)
    .flatMap((backends) => STORES.map((state) => ({ backends, state }))),
  ...subsets(PLUGINS.map(({ id }) => id)).flatMap((ids) =>
    [true, false].map((example) => ({ plugins: new Set(ids), example })),
  ),
];

const fileOf = (answers: Answers, path: string): string =>
  renderProject(answers, SURROUNDINGS).find((file) => file.path === path)!.text;

describe("to-10: every project that can be asked for", { timeout: 180_000 }, () => {
  let dir: string;
  let projects: string[];
  beforeAll(async () => {
    // One folder with this workspace's packages for all of them.
    dir = await createFolderForAll();
    projects = EVERY.map((given, index) => {
      const folder = join(dir, `project-${index}`);
      writeProject(folder, renderProject(answersOf({ ...given, folder }), SURROUNDINGS));
      return folder;
    });
    return () => removeFolder(dir);
  });

  it("is a config without faults and warnings", async () => {
    const flags = ["--conditions=gatewright-source", "--import", TSX, LOADER];
    const run = await runNode([...flags, ...projects], dir);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const outcomes = JSON.parse(run.stdout) as Record<string, { faults: unknown[]; warnings: unknown[] }>;
    expect(Object.keys(outcomes)).toHaveLength(EVERY.length);
    const faulty = Object.entries(outcomes).filter(
      ([, { faults, warnings }]) => faults.length + warnings.length,
    );
    expect(faulty).toEqual([]);
  });

  it("has types without faults, its adapter and plugin included", async () => {
    const settings = JSON.parse(readFileSync(join(projects[0]!, "tsconfig.json"), "utf8")) as {
      compilerOptions: object;
    };
    // The project's own settings, but with the packages from source.
    const compilerOptions = { ...settings.compilerOptions, customConditions: ["gatewright-source"] };
    await writeFile(
      join(dir, "tsconfig.json"),
      JSON.stringify({ compilerOptions, include: ["project-*/**/*.ts"] }),
    );
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    expect(await runNode([compiler, "-p", dir], dir)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("is formatted as this repository is", async () => {
    const formatter = join(ROOT, "node_modules/oxfmt/bin/oxfmt");
    const run = await runNode(
      [formatter, "--check", "-c", join(ROOT, ".oxfmtrc.json"), "project-*/**/*.{ts,json}"],
      dir,
    );
    expect(run, run.stdout + run.stderr).toMatchObject({ code: 0 });
  });

  async function createFolderForAll(): Promise<string> {
    const folder = await makeFolder();
    await mkdir(join(folder, "node_modules/@gatewright"), { recursive: true });
    for (const { folder: own, manifest } of listPublished())
      if (!manifest.name.startsWith("create-"))
        await symlink(join(ROOT, own), join(folder, "node_modules", manifest.name));
    for (const name of ["@types", "ioredis", "typescript", "valibot"])
      await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
    return folder;
  }
});

describe("to-10: the config", () => {
  it("has the plugins in the order of the chain, whatever order they were asked for in", () => {
    const plugins = new Set(PLUGINS.map(({ id }) => id).reverse());
    const text = fileOf(answersOf({ plugins }), "gateway.config.ts");
    const calls = [...text.matchAll(/^ {4}(\w+)\(/gm)].map(([, name]) => name);
    expect(calls).toEqual(["apiKeys", "rateLimit", "retry", "circuitBreaker", "healthCheck", "balancer"]);
  });

  it("limits by key where there are keys, else by address", () => {
    const limitOf = (...ids: string[]) =>
      fileOf(answersOf({ plugins: new Set(ids) }), "gateway.config.ts").match(/scope: "([\w-]+)"/)![1];
    expect(limitOf("api-keys", "rate-limit")).toBe("key");
    expect(limitOf("rate-limit")).toBe("client-ip");
  });

  it("has the plugin of the example after what refuses on headers, and before attempts", () => {
    const text = fileOf(answersOf({ example: true }), "gateway.config.ts");
    expect(text).toMatch(/rateLimit\(.*\n {4}messageLimit\(.*\n {4}retry\(/);
  });

  it("holds no key and no address of Redis, only the names of variables", () => {
    const answers = answersOf({ backends: BACKENDS, state: "redis", redisURL: "redis://:hidden@h" });
    const text = fileOf(answers, "gateway.config.ts");
    expect([...text.matchAll(/env\("(\w+)"\)/g)].map(([, name]) => name)).toEqual([
      "REDIS_URL",
      "OPENAI_API_KEY",
      "ANTHROPIC_API_KEY",
      "GEMINI_API_KEY",
      "SERVER_API_KEY",
      "GATEWAY_KEY",
    ]);
    expect(text).not.toContain("hidden");
    for (const file of [".env", ".env.example"])
      for (const [, name] of text.matchAll(/env\("(\w+)"\)/g))
        expect(fileOf(answers, file), file).toMatch(new RegExp(`^${name}=`, "m"));
  });

  it("keeps long addresses within the width of a line", () => {
    const url = `http://${"gpu-".repeat(14)}1.example:8000/v1`;
    const answers = answersOf({
      backends: backendsOf("openai-compatible"),
      urls: { "openai-compatible": url },
    });
    const lines = fileOf(answers, "gateway.config.ts").split("\n");
    expect(lines.some((line) => line.includes(url))).toBe(true);
    expect(lines.filter((line) => line.length > 110)).toEqual([]);
  });
});

it("to-10: the README says only what the project has", () => {
  const keyless = fileOf(answersOf({ plugins: new Set(), backends: backendsOf("vllm") }), "README.md");
  expect(keyless).not.toMatch(/GATEWAY_KEY|authorization|Put your keys|ollama|adapters\/|api-keys/);
  const all = fileOf(answersOf({ backends: BACKENDS, model: "qwen2.5:7b", example: true }), "README.md");
  expect(all).toContain("`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`, `SERVER_API_KEY`");
  expect(all).toContain("`ollama pull qwen2.5:7b`");
  expect(all).toContain("| `adapters/` |");
  expect(all.split("\n")[0]).toBe(`# ${basename(answersOf().folder)}`);
});
