import { execFile } from "node:child_process";
import { readFile, symlink } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { configSource, createProject, type Project } from "../config/_project.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PROGRAM = `
  const { main } = await import(${JSON.stringify(new URL("../../../core/src/cli/main.ts", import.meta.url).href)});
  process.exit(await main(process.argv.slice(1)));
`;

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the program in a process of its own, from source. */
function gatewright(cwd: string, ...args: string[]): Promise<Run> {
  return runScript(PROGRAM, cwd, args);
}

function runScript(script: string, cwd: string, args: readonly string[]): Promise<Run> {
  const tsx = new URL("../../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
  const flags = [
    "--conditions=gatewright-source",
    "--import",
    tsx,
    "--input-type=module",
    "-e",
    script,
    "--",
  ];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...flags, ...args],
      { cwd, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

it.each([["check"], ["start"], ["dev"], ["explain", "m"]])(
  "to-1: gatewright %s says in one line that its working folder is gone",
  async (...args) => {
    const project = await createProject();
    // The loader of these tests needs a folder to begin in.
    const leave = `
      const { mkdirSync, rmdirSync } = await import("node:fs");
      const folder = ${JSON.stringify(project.path("gone"))};
      mkdirSync(folder);
      process.chdir(folder);
      rmdirSync(folder);
    `;
    const script = PROGRAM.replace("process.exit(", `${leave}process.exit(`);
    expect(await runScript(script, ROOT, args)).toEqual({
      code: 1,
      stdout: "",
      stderr: "The working folder does not exist any more. Change to one that does.\n",
    });
  },
);

describe.each(["check", "start", "dev"])("gatewright %s", (command) => {
  it.each([
    ["itself", "gateway.config.ts"],
    ["nothing", "nowhere.ts"],
  ])("to-1: says of a config that is a link to %s that it leads to no file", async (_, target) => {
    const project = await createProject();
    await symlink(target, project.path("gateway.config.ts"));
    for (const named of [[], ["--config", "gateway.config.ts"]]) {
      const run = await gatewright(project.dir, command, "--port", "0", ...named);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      const lines = run.stderr.trimEnd().split("\n");
      expect(lines).toHaveLength(3);
      expect(lines[1]).toMatch(
        /no config was found in .*; gateway\.config\.ts is a link that leads to no file$/,
      );
    }
  });
});

describe("usage", () => {
  it.each([
    [["--version"], 0, /^\d+\.\d+\.\d+\n$/],
    [["--help"], 0, /dev[\s\S]*start, serve[\s\S]*check/],
    [["start", "--help"], 0, /--config[\s\S]*--port[\s\S]*--host[\s\S]*--workers/],
  ])("to-1: gatewright %j exits %i and prints what it should", async (args, code, output) => {
    const run = await gatewright(ROOT, ...args);
    expect(run).toMatchObject({ code, stderr: "" });
    expect(run.stdout).toMatch(output);
    // A file and a pipe show no colours.
    expect(run.stdout).toBe(stripVTControlCharacters(run.stdout));
  });

  it.each([
    [[], "Which command?"],
    [["strat"], "There is no command strat. Did you mean start?"],
    [["start", "--prot", "1"], "Unknown flag --prot. Did you mean --port?"],
    [["start", "--port", "x"], "--port must be a whole number from 0 to 65535."],
    [["start", "--port"], "--port needs a value."],
    [["start", "--port", "--host", "::1"], "--port needs a value."],
    [["start", "--port", "-1"], "--port must be a whole number from 0 to 65535."],
    [["start", "--no-port"], "There is no --no-port: --port takes a value."],
    [["start", "--no-workers"], "There is no --no-workers: --workers takes a value."],
    [["check", "--no-config"], "There is no --no-config: --config takes a value."],
    [["dev", "--no-host"], "There is no --no-host: --host takes a value."],
    [["explain", "m", "--no-config"], "There is no --no-config: --config takes a value."],
    [["start", "--no-prot"], "Unknown flag --no-prot."],
    [["check", "--constructor"], "Unknown flag --constructor."],
    [["check", "--json=maybe"], "--json takes no value."],
    [["start", "--workers=0"], "--workers must be a whole number from 1 to 1024."],
    [["check", "gateway.config.ts"], "Unexpected argument gateway.config.ts."],
    [["check", "--config"], "--config needs a value."],
    [["check", "--config="], "--config needs a value."],
    [["check", "--config", "--json"], "--config needs a value."],
    [["check", "-c"], "--config needs a value."],
    [["explain", "m", "chat", "more"], "Unexpected argument more."],
    [["explain", "m", "--operation=embeddings"], "Unknown flag --operation."],
    [["explain", ""], "Which model?"],
    [["dev", "--workers", "2"], "Unknown flag --workers."],
  ])("to-1: gatewright %j is wrong usage: exit 2", async (args, message) => {
    const run = await gatewright(ROOT, ...args);
    expect(run.code).toBe(2);
    expect(run.stderr.split("\n")[0]).toBe(message);
    expect(run.stderr).toContain("USAGE");
    expect(run.stderr).toBe(stripVTControlCharacters(run.stderr));
    expect(run.stdout).toBe("");
  });
});

/** With the workspace's TypeScript and packages. */
async function createTypedProject(config: string): Promise<Project> {
  const project = await createProject({ "gateway.config.ts": config, "node_modules/.keep": "" });
  for (const name of ["typescript", "gatewright", "@types", "@typescript"]) {
    await symlink(`${ROOT}node_modules/${name}`, project.path(`node_modules/${name}`));
  }
  await project.write(
    "tsconfig.json",
    JSON.stringify({
      compilerOptions: {
        module: "nodenext",
        target: "es2023",
        lib: ["es2023"],
        strict: true,
        skipLibCheck: true,
        types: ["node"],
        rootDir: "src",
        composite: true,
        customConditions: ["gatewright-source"],
      },
      include: ["src"],
    }),
  );
  return project;
}

describe("check", () => {
  it("accepts a sound config and says which", async () => {
    const project = await createTypedProject(configSource("server: { port: 1 },"));
    const run = await gatewright(project.dir, "check");
    expect(run.stdout + run.stderr).toBe(`${project.path("gateway.config.ts")} is valid.\n`);
    expect(run.code).toBe(0);
  });

  it("reports type errors that the run-time check cannot see", async () => {
    const project = await createTypedProject(configSource("", `const port: number = "8080";\nvoid port;`));
    const run = await gatewright(project.dir, "check");
    expect(run.stderr).toContain("error TS2322: Type 'string' is not assignable to type 'number'.");
    expect(run).toMatchObject({ code: 1, stdout: "" });
  });

  it("leaves what packages declare to their authors, whatever the project's own settings", async () => {
    const project = await createTypedProject(
      configSource("", `import type { Port } from "flawed";\nexport const port: Port = 8080;`),
    );
    await project.write(
      "node_modules/flawed/index.d.ts",
      "export type Port = number;\nexport type Lost = Missing;\n",
    );
    await project.write("node_modules/flawed/package.json", `{ "name": "flawed", "types": "./index.d.ts" }`);
    const settings = JSON.parse(await readFile(project.path("tsconfig.json"), "utf8")) as object;
    await project.write("tsconfig.json", JSON.stringify(settings).replace(`"skipLibCheck":true,`, ""));
    expect(await gatewright(project.dir, "check")).toMatchObject({ code: 0, stderr: "" });
  });

  it("says when types were not checked", async () => {
    const project = await createProject({ "gateway.config.ts": configSource("") });
    const run = await gatewright(project.dir, "check");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toContain("types were not checked: typescript is not installed");
  });

  it("to-2: prints every fault with its path and exits 1", async () => {
    const project = await createProject({
      "gateway.config.json": `{ "backends": { "a": { "adapter": "plian", "models": [] } }, "server": { "prot": 1 } }`,
    });
    const run = await gatewright(project.dir, "check", "--config", "gateway.config.json");
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr).toBe(
      [
        "gateway.config.json: 2 faults",
        "  ✗ server.prot is not an option",
        "    Did you mean `port`?",
        '  ✗ backends.a.adapter: there is no adapter "plian"',
        "    Did you mean `plain`?",
        "",
      ].join("\n"),
    );
  });

  it("to-2: tells names among the options of plugins that the config does not have, at once with all else", async () => {
    const source = `import { circuitBreaker } from "@gatewright/circuit-breaker";
import { fallback } from "@gatewright/fallback";

export default {
  backends: { server: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["qwen"] } },
  server: { prot: 1 },
  plugins: [
    circuitBreaker({ backends: { sever: { enabled: false } } }),
    fallback({ models: { qwne: [{ backend: "server" }] } }),
  ],
};
`;
    const project = await createProject({ "gateway.config.ts": source, "node_modules/.keep": "" });
    for (const name of ["gatewright", "@gatewright"])
      await symlink(`${ROOT}node_modules/${name}`, project.path(`node_modules/${name}`));
    const run = await gatewright(project.dir, "check");
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr.replaceAll(/gateway\.config\.ts:[\d:]+ /g, "").split("\n")).toEqual([
      "gateway.config.ts: 3 faults",
      "  ✗ server.prot is not an option",
      "    Did you mean `port`?",
      '  ✗ plugins[0].circuit-breaker.backends.sever must be the name of a backend, got "sever"',
      "    Did you mean `server`?",
      '  ✗ plugins[1].fallback.models.qwne must be the name of a model, got "qwne"',
      "    Did you mean `qwen`?",
      "",
    ]);
  }, 60_000);

  it("to-1: tells the outcome as JSON", async () => {
    const project = await createProject({ "gateway.config.json": `{ "server": { "prot": 1 } }` });
    const run = await gatewright(project.dir, "check", "--json");
    expect(run.code).toBe(1);
    const outcome = JSON.parse(run.stdout) as { ok: boolean; faults: { path: string }[] };
    expect(outcome.ok).toBe(false);
    expect(outcome.faults.map(({ path }) => path)).toEqual(["server.prot", "backends"]);
  });
});

describe("start", () => {
  it("to-2: refuses a config with faults: exit 1, each fault with its path, no stack", async () => {
    const project = await createProject({
      "gateway.config.json": `{ "backends": {}, "server": { "port": -1 } }`,
    });
    const run = await gatewright(project.dir, "start");
    expect(run.code).toBe(1);
    expect(run.stderr).toBe("gateway.config.json: 1 fault\n  ✗ server.port must be at least 0, got -1\n");
  });
});
