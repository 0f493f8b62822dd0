import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { resolveConfig, serve, type RunningServer } from "gatewright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import config from "../../gateway.config.ts";
import { PLAYGROUND_BACKENDS } from "../../playground/src/backends.ts";
import { curlCommands } from "../../playground/src/curl-commands.ts";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";

const FAST = { firstTokenMs: 0, tokenMs: 0, port: 0 };
const run = promisify(execFile);

let backends: SimulatedBackend[] = [];
let gateway: RunningServer;
let dir: string;
beforeAll(async () => {
  backends = await Promise.all(
    PLAYGROUND_BACKENDS.map((options) => startSimulatedBackend({ ...options, ...FAST })),
  );
  const moved = Object.entries(config.backends).map(([name, backend]) => {
    const { url } = backends.find(({ settings }) => settings.name === name)!;
    return [
      name,
      { ...backend, baseURL: url + new URL(String(backend.baseURL)).pathname.replace(/\/$/, "") },
    ];
  });
  const here = {
    ...config,
    server: { host: "127.0.0.1", port: 0 },
    log: { level: "silent" },
    backends: Object.fromEntries(moved) as unknown,
  };
  const resolved = await resolveConfig(here, { dir: import.meta.dirname });
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  gateway = await serve(resolved.config);
  dir = await mkdtemp(join(tmpdir(), "gatewright-curl-"));
});
afterAll(async () => {
  await gateway.stop(0);
  await Promise.all(backends.map((backend) => backend.close()));
  await rm(dir, { recursive: true });
});

describe("the calls that the playground prints", () => {
  // In their order: the transcription uploads what the speech call has saved.
  it.each(curlCommands("GATEWAY"))("work as written: $title", async ({ command }) => {
    const failing = command.replace("GATEWAY", gateway.url).replace("curl -s", "curl -sS --fail");
    const { stdout } = await run("sh", ["-c", failing], { cwd: dir });
    expect(stdout).not.toContain('"error"');
  });
});

it("the root config and the backends that the playground starts agree", () => {
  const configured = Object.entries(config.backends).map(([name, { adapter, baseURL, models }]) => ({
    name,
    dialect: adapter,
    port: Number(new URL(String(baseURL)).port),
    models,
  }));
  expect(PLAYGROUND_BACKENDS).toMatchObject(configured);
});
