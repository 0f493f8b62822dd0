import { createServer, type Server } from "node:net";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { createState } from "../../../core/src/state/create-state.ts";
import { configSource, createProject, type Project } from "../config/_project.ts";
import { waitFor } from "../../_support/wait-for.ts";
import { runProgram, spawnProgram } from "./_run-program.ts";

/** What the machine, not the config, has wrong: told in one line, exit code 1, no stack. */

const BACKENDS = { local: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"] } };

function projectWith(config: Record<string, unknown>): Promise<Project> {
  return createProject({
    "gateway.config.json": JSON.stringify({
      log: { level: "info", format: "json" },
      backends: BACKENDS,
      ...config,
      server: { host: "127.0.0.1", port: 0, preStopDelayMs: 0, ...(config["server"] as object) },
    }),
  });
}

/** A port of this machine that something listens on. */
async function busyPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as { port: number }).port;
}

describe.each([["1"], ["2"]])("start with %s workers", (workers) => {
  const start = (project: Project) => runProgram(project.dir, ["start", "--workers", workers]);

  it("to-2: ends with the reason, told once, when the port is taken", async () => {
    const port = await busyPort();
    const run = await start(await projectWith({ server: { port } }));
    expect(run).toMatchObject({
      code: 1,
      stderr: `Port ${port} is in use. Stop what listens there, or choose another with --port.\n`,
    });
  }, 60_000);

  it("to-2: ends with the reason, told once, when the host is none of this machine", async () => {
    const run = await start(await projectWith({ server: { host: "no.such.host.invalid" } }));
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /^(?:This machine has no address|The address of) no\.such\.host\.invalid\b.*\n$/,
    );
  }, 60_000);

  it("to-2: ends with the reason, told once, when a plugin cannot be set up", async () => {
    const run = await start(await projectThrowing(`new Error("there is nobody to talk to")`));
    expect(run).toMatchObject({
      code: 1,
      stderr: "gateway.config.ts: 1 fault\n  ✗ plugins[0].shy: there is nobody to talk to\n",
    });
  }, 60_000);

  it("tells a bug of a plugin once, with its place and its stack", async () => {
    const run = await start(await projectThrowing(`new TypeError("it is undefined")`));
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^Error: plugins\[0\]\.shy: it is undefined\n {4}at /);
    expect(run.stderr).toMatch(/\[cause\]: TypeError: it is undefined\n {6}at \S+ \(\S+gateway\.config\.ts:/);
    expect(run.stderr.match(/^Error:/gm)).toHaveLength(1);
  }, 60_000);
});

/** With a plugin that throws when it is set up. */
function projectThrowing(error: string): Promise<Project> {
  return createProject({
    "gateway.config.ts": configSource(
      `plugins: [shy()], server: { host: "127.0.0.1", port: 0, preStopDelayMs: 0 },`,
      `
const shy = defineGatewayPlugin({
  name: "shy",
  options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
  setup() { throw ${error}; },
});`,
    ),
  });
}

describe("state", () => {
  it("to-2: a state folder below a file is refused in one line", async () => {
    const project = await projectWith({ state: { driver: "file", dir: "note/state" } });
    await project.write("note", "a file");
    const run = await runProgram(project.dir, ["start"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^The state folder \S+\/note\/state cannot be used: ENOTDIR[^\n]*\n$/);
  }, 60_000);

  it("to-2: a state folder where none can be made is refused in one line", async () => {
    const project = await projectWith({ state: { driver: "file", dir: "/proc/gatewright/state" } });
    const run = await runProgram(project.dir, ["start"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^The state folder \/proc\/gatewright\/state cannot be used: E[^\n]*\n$/);
  }, 60_000);

  it("to-2: a state folder that another process holds is refused in one line", async () => {
    const project = await projectWith({ state: { driver: "file", dir: "held" } });
    const state = await createState({ driver: "file", dir: project.path("held") });
    onTestFinished(() => state.close());
    const run = await runProgram(project.dir, ["start"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      new RegExp(`^The state folder \\S+/held is in use by process ${process.pid}\\b[^\\n]*\\n$`),
    );
  }, 60_000);

  it("to-2: Redis state without ioredis is refused in one line, with what to install", async () => {
    const project = await projectWith({ state: { driver: "redis", url: "redis://127.0.0.1:1" } });
    await project.write(
      "hide.mjs",
      `import { register } from "node:module"; register("./hook.mjs", import.meta.url);`,
    );
    await project.write(
      "hook.mjs",
      `export const resolve = (name, context, next) => next(name === "ioredis" ? "ioredis-is-not-here" : name, context);`,
    );
    const run = await runProgram(project.dir, ["start"], {
      NODE_OPTIONS: `--import ${pathToFileURL(project.path("hide.mjs")).href}`,
    });
    expect(run).toMatchObject({
      code: 1,
      stderr: 'Redis state needs the package "ioredis" (5.4.2 or later): npm install ioredis\n',
    });
  }, 60_000);
});

describe("gatewright dev", () => {
  it("to-2: says in one line that the host is none of this machine", async () => {
    const project = await projectWith({});
    const run = await runProgram(project.dir, ["dev", "--host", "no.such.host.invalid"]);
    expect(run).toMatchObject({
      code: 1,
      stderr: "No port can be opened at no.such.host.invalid: this machine may not have that address.\n",
    });
  }, 60_000);

  it("to-2: tells what keeps a plugin from being set up, without a stack", async () => {
    const run = await runProgram((await projectThrowing(`new Error("nobody is there")`)).dir, ["dev"]);
    expect(run).toMatchObject({
      code: 1,
      stderr: "gateway.config.ts: 1 fault\n  ✗ plugins[0].shy: nobody is there\n",
    });
  }, 60_000);
});

describe("the port of `dev`", () => {
  it("that was asked for and is taken is refused, as `start` does", async () => {
    const port = await busyPort();
    const run = await runProgram((await projectWith({})).dir, ["dev", "--port", String(port)]);
    expect(run).toMatchObject({
      code: 1,
      stderr: `Port ${port} is in use. Stop what listens there, or choose another with --port.\n`,
    });
  }, 60_000);

  it("of the config that is taken gives way to another, which is told", async () => {
    const port = await busyPort();
    const program = spawnProgram((await projectWith({ server: { port } })).dir, ["dev"]);
    onTestFinished(() => program.kill("SIGKILL"));
    await waitFor("it listens", () => program.output().includes("listens on http"), 40_000);
    const other = /Gatewright listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(program.output())![1];
    expect(other).not.toBe(String(port));
    expect(program.output()).toContain(
      `Port ${port} is in use: the gateway listens on ${other} in its place`,
    );
  }, 60_000);
});

describe.each([["1"], ["2"]])("a signal while %s processes start", (workers) => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "O6: %s ends it with exit code 0, and is told",
    async (signal) => {
      const project = await createProject({
        "gateway.config.ts": configSource(
          `plugins: [slow()], server: { host: "127.0.0.1", port: 0, preStopDelayMs: 0 },`,
          `
const slow = defineGatewayPlugin({
  name: "slow",
  options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
  setup() {
    console.log("setting up");
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  },
});`,
        ),
      });
      const program = spawnProgram(project.dir, ["start", "--workers", workers]);
      onTestFinished(() => program.kill("SIGKILL"));
      const ready = () => program.output().split("setting up").length > Number(workers);
      await waitFor("it is being set up", ready, 40_000);
      program.kill(signal);
      expect(await program.exited).toBe(0);
      expect(program.output()).toContain(`${signal} while starting: stopped before anybody was served`);
    },
    60_000,
  );
});

describe("what `check` calls valid", () => {
  it("to-2: is no config whose plugins name what it does not have", async () => {
    const project = await createProject({
      "gateway.config.ts": configSource(
        `plugins: [picky()],`,
        `
const picky = defineGatewayPlugin({
  name: "picky",
  options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
  check: (_, { backends }) => [
    { path: ["prefer", 0], expected: "the name of a backend", received: "lcoal", known: backends.keys() },
  ],
  setup: () => ({}),
});`,
      ),
    });
    const fault =
      "gateway.config.ts: 1 fault\n" +
      '  ✗ plugins[0].picky.prefer[0] must be the name of a backend, got "lcoal"\n' +
      "    Did you mean `local`?\n";
    for (const command of ["check", "start"])
      expect(await runProgram(project.dir, [command])).toMatchObject({ code: 1, stderr: fault });
  }, 60_000);
});
