import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { freePort, ROOT } from "../_support/program.ts";
import { waitFor } from "../_support/wait-for.ts";

const MODEL = "gpt-4o-mini";
const TSX = new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
const MAIN = fileURLToPath(new URL("../_support/program-main.ts", import.meta.url));

interface Group {
  readonly url: string;
  /** A file that no worker starts beside. */
  readonly obstacle: string;
  output(): string;
  readonly exited: Promise<number | NodeJS.Signals>;
  /** To every process, as a terminal does it. */
  signal(signal: NodeJS.Signals): void;
}

/** A gateway of two workers that are ready, the leader of a process group of its own. */
async function startGroup(backend: SimulatedBackend, server: Record<string, unknown>): Promise<Group> {
  const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-workers-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "gateway.config.ts");
  const obstacle = join(dir, "obstacle");
  const port = await freePort();
  const config = {
    server: { host: "127.0.0.1", port, workers: 2, ...server },
    log: { level: "info", format: "json" },
    backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
  };
  await writeFile(
    file,
    `
    import { existsSync } from "node:fs";
    import { defineGatewayPlugin } from "gatewright";
    const wary = defineGatewayPlugin({
      name: "wary",
      options: { "~standard": { version: 1, vendor: "none", validate: (value) => ({ value }) } },
      setup() {
        if (existsSync(${JSON.stringify(obstacle)})) throw new Error("something is in the way");
        return {};
      },
    });
    export default { ...${JSON.stringify(config)}, plugins: [wary()] };
    `,
  );
  const child: ChildProcess = spawn(
    process.execPath,
    ["--conditions=gatewright-source", "--import", TSX, MAIN, "start", "--config", file],
    { cwd: ROOT, env: { ...process.env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  let output = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on("exit", (code, signal) => resolve(code ?? signal!));
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL");
    await exited;
  });
  await waitFor("both workers", () => output.match(/"message":"Chain/g)?.length === 2, 60_000);
  return {
    url: `http://127.0.0.1:${port}`,
    obstacle,
    output: () => output,
    exited,
    signal: (signal) => process.kill(-child.pid!, signal),
  };
}

async function startBackend(settings: Record<string, unknown>): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

function stream(url: string): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: "user", content: "hello" }] }),
  });
}

describe("a signal to the whole process group, as Ctrl-C and systemd send it", () => {
  it("O6: counts once: running requests end whole, exit code 0", async () => {
    const backend = await startBackend({ tokens: 30, tokenMs: 20 });
    const group = await startGroup(backend, { preStopDelayMs: 0, drainTimeoutMs: 60_000 });
    const reply = await stream(group.url);
    group.signal("SIGINT");

    expect(await reply.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await group.exited).toBe(0);
    expect(group.output()).not.toContain("a new one takes its place");
  }, 90_000);

  it("O7: the second ends running requests at once, in order", async () => {
    const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
    const group = await startGroup(backend, { preStopDelayMs: 60_000, drainTimeoutMs: 60_000 });
    const reply = await stream(group.url);
    group.signal("SIGINT");
    await waitFor("the first is told", () => group.output().match(/a second signal ends/g)?.length === 2);
    group.signal("SIGINT");

    expect(await reply.text()).toMatch(/"code":"draining"/);
    expect(await group.exited).toBe(1);
  }, 90_000);
});

describe("a worker that dies", () => {
  const pidsOf = (group: Group): number[] =>
    [...group.output().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));

  it("is replaced, if not at once then later, and the service ends when none is left and none can start", async () => {
    const backend = await startBackend({ tokens: 2 });
    const group = await startGroup(backend, { preStopDelayMs: 0 });
    const [first, second] = pidsOf(group);
    await writeFile(group.obstacle, "");
    process.kill(first!, "SIGKILL");
    await waitFor("the replacement fails", () => group.output().includes("something is in the way"), 60_000);
    expect((await stream(group.url)).status).toBe(200);

    await rm(group.obstacle);
    await waitFor("another replacement serves", () => new Set(pidsOf(group)).size === 3, 60_000);
    const third = pidsOf(group).at(-1)!;
    await writeFile(group.obstacle, "");
    for (const pid of [second!, third]) process.kill(pid, "SIGKILL");
    expect(await group.exited).toBe(1);
    expect(group.output()).toMatch(/1 fault\n {2}✗ plugins\[0\]\.wary: something is in the way\n$/);
  }, 120_000);
});
