import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Cores } from "./machine.ts";
import type { MeasureName } from "./options.ts";
import { chatRequest } from "./chat-request.ts";
import { callOnce } from "./connection.ts";
import type { Endpoint } from "./connection.ts";
import { freePort, startNode } from "./process.ts";
import type { Program, ProgramOptions } from "./process.ts";
import { missingRedis, startRedis } from "./redis.ts";

/** Something to measure. */
export interface Subject {
  readonly name: string;
  readonly title: string;
  /** The measures it takes part in; absent: all of them. */
  readonly measures?: readonly MeasureName[];
  /** Why it cannot be measured here, after trying to put it in place; null when it can. */
  prepare(): string | null;
  /** Starts it and returns as soon as it answers a chat request with 200. */
  start(upstreamUrl: string): Promise<Running>;
}

/** A subject that answers. */
export interface Running extends Endpoint {
  readonly name: string;
  /** As of its subject. */
  readonly measures?: readonly MeasureName[] | undefined;
  /** Absent for the upstream itself. */
  readonly pid?: number;
  /** From the start of the process to its first 200. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const BENCH_DIR = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOT = dirname(BENCH_DIR);
const GATEWAY_BIN = join(ROOT, "node_modules/gatewright/bin/gatewright.js");
const PORTKEY_BIN = join(BENCH_DIR, "peers/node_modules/@portkey-ai/gateway/build/start-server.js");
/** What the gateway needs built: plugins of the workspace. */
const BUILT_PLUGINS = ["api-keys", "balancer", "circuit-breaker", "health-check", "rate-limit", "retry"];
export const BENCH_KEY = "sk-bench-4f1c9a7e2b8d4065a3c1e0f7d9b6a852";
const START_LIMIT_MS = 15_000;

/** Every subject, the reference first. */
export function createSubjects(cores: Cores | null): readonly Subject[] {
  return [
    {
      name: "bare",
      title: "bare node:http + undici",
      prepare: () => null,
      start: (upstream) =>
        startSubject("bare", (port) => ({
          args: [join(BENCH_DIR, "bare/bare.js"), "--port", String(port), "--upstream", upstream],
          cores,
        })),
    },
    gatewaySubject("empty", "Gatewright, empty chain", cores),
    gatewaySubject("default", "Gatewright, default chain", cores),
    gatewaySubject("translated", "Gatewright, empty chain, backends of other dialects", cores),
    trafficSubject("traffic", "Gatewright, traffic chain", cores),
    trafficSubject("traffic-redis", "Gatewright, traffic chain on Redis", cores),
    {
      name: "portkey",
      title: "Portkey 1.15.2",
      prepare: installPortkey,
      start: (upstream) =>
        startSubject(
          "portkey",
          (port) => ({
            args: [
              "--import",
              join(BENCH_DIR, "peers/loopback.js"),
              PORTKEY_BIN,
              "--headless",
              `--port=${port}`,
            ],
            cores,
          }),
          { "x-portkey-provider": "openai", "x-portkey-custom-host": upstream },
        ),
    },
  ];
}

/** The upstream, called without anything between: what the load side itself takes. */
export function directTo(upstreamUrl: string): Running {
  return {
    name: "direct",
    port: Number(new URL(upstreamUrl).port),
    headers: {},
    startMs: 0,
    stop: () => Promise.resolve(),
  };
}

function gatewaySubject(
  name: "empty" | "default" | "translated",
  title: string,
  cores: Cores | null,
): Subject {
  return {
    name,
    title,
    ...(name === "translated" && { measures: ["translated"] }),
    prepare: () => buildGateway(BUILT_PLUGINS),
    start: (upstream) =>
      startSubject(name, (port) => ({
        args: gatewayArgs(name, port),
        env: { BENCH_UPSTREAM: upstream, BENCH_KEY },
        cores,
      })),
  };
}

/** Six plugins at work; their counts are held in memory, or in a Redis on the load's core. */
function trafficSubject(name: "traffic" | "traffic-redis", title: string, cores: Cores | null): Subject {
  const onRedis = name === "traffic-redis";
  return {
    name,
    title,
    measures: ["throughput", "latency"],
    prepare: () => (onRedis ? missingRedis() : null) ?? buildGateway(BUILT_PLUGINS),
    async start(upstream) {
      const redis = onRedis ? await startRedis(cores) : undefined;
      const env = { BENCH_UPSTREAM: upstream, BENCH_KEY, ...(redis && { BENCH_REDIS: redis.url }) };
      try {
        const running = await startSubject(name, (port) => ({
          args: gatewayArgs("traffic", port),
          env,
          cores,
        }));
        return {
          ...running,
          stop: async () => {
            await running.stop();
            await redis?.stop();
          },
        };
      } catch (error) {
        await redis?.stop();
        throw error;
      }
    },
  };
}

/** Starts the gateway, built, with the config of that name on a loopback port. */
export function gatewayArgs(name: string, port: number): string[] {
  const config = join(BENCH_DIR, `configs/${name}.config.ts`);
  return [GATEWAY_BIN, "start", "--config", config, "--host", "127.0.0.1", "--port", String(port)];
}

async function startSubject(
  name: string,
  options: (port: number) => ProgramOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const port = await freePort();
  const endpoint = { port, headers: { authorization: `Bearer ${BENCH_KEY}`, ...headers } };
  const startedMs = performance.now();
  const program = startNode(options(port));
  try {
    await firstAnswer(name, endpoint, program);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return {
    ...endpoint,
    name,
    pid: program.pid,
    startMs: performance.now() - startedMs,
    stop: () => program.stop(),
  };
}

async function firstAnswer(name: string, endpoint: Endpoint, program: Program): Promise<void> {
  const request = chatRequest(endpoint, { stream: false });
  const giveUpMs = performance.now() + START_LIMIT_MS;
  let status: number | null = null;
  while (status !== 200) {
    const failure = program.ended();
    if (failure !== null) throw new Error(`${name} ${failure}`);
    if (performance.now() > giveUpMs) {
      throw new Error(
        `${name} did not answer 200 within ${START_LIMIT_MS} ms; its last status was ${status}`,
      );
    }
    status = await callOnce(endpoint, request);
    // Short beside any start, long enough to leave the starting process its disk and kernel.
    if (status !== 200) await sleep(5);
  }
}

/** Builds the workspace unless it is built. Null on success, else what failed. */
export function buildGateway(plugins: readonly string[]): string | null {
  if (!existsSync(GATEWAY_BIN)) return "the gateway has no bin/gatewright.js";
  const folders = ["core", "adapters", ...plugins.map((name) => `plugins/${name}`)];
  const isBuilt = folders.every((folder) => existsSync(join(ROOT, folder, "dist")));
  const failure = isBuilt ? null : tryRun("npm", ["run", "build"], ROOT);
  return failure === null ? null : `the build failed: ${failure}`;
}

function installPortkey(): string | null {
  if (existsSync(PORTKEY_BIN)) return null;
  const failure = tryRun("npm", ["ci", "--ignore-scripts", "--omit=dev"], join(BENCH_DIR, "peers"));
  return failure === null ? null : `it could not be installed: ${failure}`;
}

/** Null on success, else the last line the command wrote, warnings of npm aside. */
function tryRun(command: string, args: readonly string[], cwd: string): string | null {
  try {
    execFileSync(command, args, { cwd, stdio: "pipe", timeout: 180_000, encoding: "utf8" });
    return null;
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string };
    const lines = `${stdout ?? ""}\n${stderr ?? ""}`.split("\n");
    return lines.findLast((line) => line.trim() !== "" && !/^npm (?:warn|notice)/.test(line)) ?? message;
  }
}
