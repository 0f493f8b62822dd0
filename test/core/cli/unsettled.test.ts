import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { waitFor } from "../../_support/wait-for.ts";
import { configSource, createProject, type Project } from "../config/_project.ts";
import { runProgram, spawnProgram, type RunningProgram } from "./_run-program.ts";

/** Code of a config that waits for what never comes. */

const IMPATIENT = fileURLToPath(new URL("_impatient-main.ts", import.meta.url));

const SERVER = `server: { host: "127.0.0.1", port: 0, preStopDelayMs: 0 }, log: { format: "json" },`;

const NEVER = "await new Promise(() => {});";

function withSetup(body: string, head = ""): string {
  return configSource(
    `plugins: [own()], ${SERVER}`,
    `
${head}
const own = defineGatewayPlugin({
  name: "own",
  options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
  async setup() { ${body} return {}; },
});`,
  );
}

/** Each with the words by which it is told what was waited for. */
const UNSETTLED: [string, string, string][] = [
  ["the setup of a plugin", withSetup(`console.log("waiting"); ${NEVER}`), "the setup of plugins[0].own"],
  ["a top-level await", withSetup("", `console.log("waiting"); ${NEVER}`), "the code of gateway.config.ts"],
];

function run(project: Project, command: "start" | "dev"): RunningProgram {
  const program = spawnProgram(project.dir, [command], IMPATIENT);
  onTestFinished(async () => {
    program.kill("SIGKILL");
    await program.exited;
  });
  return program;
}

describe.each(UNSETTLED)("%s that never settles", (_, source, what) => {
  it.each(["start", "dev"] as const)(
    "G6: ends `%s` with exit code 1, told what was waited for",
    async (command) => {
      const project = await createProject({ "gateway.config.ts": source });
      const ended = await runProgram(project.dir, [command]);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(`${what} has not settled, and nothing is left that could settle it`);
      expect(ended.stderr).not.toMatch(/\n {4}at /);
    },
    60_000,
  );

  it("ends `check` or leaves it alone: it is never silent", async () => {
    const project = await createProject({ "gateway.config.ts": source });
    const ended = await runProgram(project.dir, ["check"]);
    // A check sets nothing up.
    expect(ended.code).toBe(what.includes("setup") ? 0 : 1);
    expect(ended.stderr.includes(what)).toBe(ended.code === 1);
  }, 60_000);

  it.each(["start", "dev"] as const)(
    "is told by `%s` while something may still settle it",
    async (command) => {
      const busy = source.replace(`"waiting");`, `"waiting"); setInterval(() => {}, 1000);`);
      const project = await createProject({ "gateway.config.ts": busy });
      const program = run(project, command);
      await waitFor(
        "it is told",
        () => program.output().includes(`Waiting for ${what}, 0.25 s so far`),
        40_000,
      );
      program.kill("SIGTERM");
      expect(await program.exited).toBe(0);
    },
    60_000,
  );

  it("1.11 G2: is given up in a reload, which is told; the old config serves on, the next change is taken", async () => {
    const project = await createProject({ "gateway.config.ts": withSetup("") });
    const program = run(project, "dev");
    const url = await waitFor(
      "it serves",
      () => /"Gatewright listens on (\S+)"[^]*Chain: /.exec(program.output())?.[1],
      40_000,
    );
    await project.write("gateway.config.ts", source);
    await waitFor("it is told", () => program.output().includes(`${what} has not settled within 0.25 s`));
    expect(program.output()).toContain("the old one serves on");
    expect((await fetch(`${url}/livez`)).status).toBe(200);

    await project.write("gateway.config.ts", withSetup("", "// better"));
    await waitFor("the next change", () => program.output().includes("Config reloaded: own"));
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  }, 60_000);

  it("O6: does not keep `dev` from stopping while a reload waits for it", async () => {
    const project = await createProject({ "gateway.config.ts": withSetup("") });
    const program = spawnProgram(project.dir, ["dev"]);
    onTestFinished(() => program.kill("SIGKILL"));
    await waitFor("it serves", () => program.output().includes("Chain: "), 40_000);
    await project.write("gateway.config.ts", source);
    await waitFor("the reload waits", () => program.output().includes("waiting\n"));
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  }, 60_000);
});

it("a plugin whose setup settles after the reload was given up is closed", async () => {
  const project = await createProject({ "gateway.config.ts": withSetup("") });
  const program = run(project, "dev");
  await waitFor("it serves", () => program.output().includes("Chain: "), 40_000);
  const late = withSetup(`
    const { existsSync } = await import("node:fs");
    while (!existsSync(${JSON.stringify(project.path("go"))})) await new Promise((resolve) => setTimeout(resolve, 10));
    return { close: () => console.log("closed late") };`);
  await project.write("gateway.config.ts", late);
  await waitFor("it is given up", () => program.output().includes("has not settled within"));
  expect(program.output()).not.toContain("closed late");
  await project.write("go", "");
  await waitFor("it is closed", () => program.output().includes("closed late"));
}, 60_000);
