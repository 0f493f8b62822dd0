import cluster from "node:cluster";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { formatFaults } from "../config/fault.ts";
import { loadGatewayConfig, type LoadResult } from "../config/load.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { ConfigWatcher } from "../config/watch.ts";
import { serveForDevelopment } from "./development.ts";
import { serve, type RunningServer } from "./serve.ts";
import { messageOf, refusalOf, StartRefused, tellError } from "./start-refused.ts";
import { nextStop, tellEarlyStop } from "./stop-requests.ts";
import { runWorkers, tellPrimary } from "./workers.ts";

/** Flags of the command line; they win over the config. */
export interface RunOptions {
  cwd: string;
  configFile?: string | undefined;
  host?: string | undefined;
  port?: number | undefined;
  workers?: number | undefined;
}

type Mode = "production" | "development";

/**
 * `gatewright start`: serves until SIGTERM or SIGINT, then drains; a second signal ends it at once. Resolves with the
 * exit code: 0, also for a signal while it starts, or 1 when running requests had to be cut.
 */
export async function runStart(options: RunOptions): Promise<number> {
  if (cluster.isWorker) return runWorker(options);
  const stop = nextStop();
  const loaded = await Promise.race([load(options, "production"), stop]);
  if (typeof loaded === "string") return stoppedEarly(loaded);
  const config = accept(loaded);
  if (config.server.workers > 1) return runWorkers(config.server.workers);
  const server = await Promise.race([open(config, serve), stop]);
  if (typeof server === "string") return stoppedEarly(server);
  announce(server);
  return untilStopped(server, stop);
}

/** Nobody was served: the exit of the process ends what was being opened. */
function stoppedEarly(signal: NodeJS.Signals): number {
  tellEarlyStop(signal);
  return 0;
}

/** What stops it from serving is told by the primary, once for all workers. */
async function runWorker(options: RunOptions): Promise<number> {
  let server: RunningServer;
  try {
    server = await open(accept(await load(options, "production")), serve);
  } catch (error) {
    await tellPrimary({ failure: tellError(error) });
    return 1;
  }
  announce(server);
  const stopped = untilStopped(server);
  await tellPrimary({ ready: true });
  return stopped;
}

/**
 * `gatewright dev`: as `start`, and takes every change of the config, its imports and `.env` into use. A config that
 * fails leaves the old one serving and says why.
 */
export async function runDev(options: RunOptions): Promise<number> {
  const running = await startGateway({ ...options, dev: true });
  announce(running.server);
  const code = await untilStopped(running.server);
  await running.close();
  return code;
}

export interface StartedGateway {
  readonly url: string;
  readonly server: RunningServer;
  /** Takes the config file as it is now into use. False when it has faults, which are logged. */
  reload(): Promise<boolean>;
  close(): Promise<void>;
}

/** Starts a gateway from a config file, for programs: tests, the playground, embedding. */
export async function startGateway(
  options: Partial<RunOptions> & { dev?: boolean },
): Promise<StartedGateway> {
  const run: RunOptions = { cwd: process.cwd(), ...options };
  const mode: Mode = options.dev ? "development" : "production";
  const loadedAt = Date.now();
  const loaded = await load(run, mode);
  const config = accept(loaded);
  // A port that was asked for is that one or none.
  const findsPort = options.dev === true && run.port === undefined;
  const server = await open(config, findsPort ? serveForDevelopment : serve);

  const reload = async (): Promise<{ ok: boolean; sources: readonly string[] }> => {
    const next = await load(run, mode);
    const { log } = server.gateway;
    if (!next.ok) {
      log.error(`The config has faults; the old one serves on.\n${formatFaults(next.faults, run.cwd)}`);
      return { ok: false, sources: next.sources };
    }
    try {
      await server.gateway.reload(next.config);
      log.info(`Config reloaded: ${server.gateway.chainNames.join(" → ") || "empty chain"}`);
      return { ok: true, sources: next.sources };
    } catch (error) {
      log.error(`The new config could not be taken into use; the old one serves on.\n${tellError(error)}`);
      return { ok: false, sources: next.sources };
    }
  };
  const watcher = options.dev
    ? await watch(loaded.sources, async () => (await reload()).sources, server)
    : undefined;
  // A change that came before the watcher was ready.
  if (watcher && (await anyNewerThan(loadedAt, loaded.sources))) await watcher.trigger();
  return {
    url: server.url,
    server,
    reload: async () => (await reload()).ok,
    close: async () => {
      await watcher?.close();
      await server.stop(config.server.drainTimeoutMs);
    },
  };
}

async function anyNewerThan(timeMs: number, files: readonly string[]): Promise<boolean> {
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return times.some((mtimeMs) => mtimeMs >= timeMs);
}

async function watch(
  sources: readonly string[],
  onChange: () => Promise<readonly string[]>,
  server: RunningServer,
): Promise<ConfigWatcher> {
  const { watchConfig } = await import("../config/watch.ts");
  const onError = (error: unknown): void =>
    server.gateway.log.error(`The config is not watched any more: ${messageOf(error)}`);
  const watcher = watchConfig(sources, onChange, { onError });
  await watcher.ready;
  return watcher;
}

function load(options: RunOptions, mode: Mode): Promise<LoadResult> {
  const { cwd, configFile: file, host, port, workers } = options;
  return loadGatewayConfig({ cwd, file, mode, overrides: { host, port, workers } });
}

function accept(loaded: LoadResult): ResolvedConfig {
  if (!loaded.ok) throw new StartRefused(loaded.faults);
  // Workers load what their primary has told of.
  if (cluster.isPrimary) for (const warning of loaded.warnings) console.warn(warning);
  return loaded.config;
}

async function open(
  config: ResolvedConfig,
  start: (config: ResolvedConfig) => Promise<RunningServer>,
): Promise<RunningServer> {
  try {
    return await start(config);
  } catch (error) {
    throw refusalOf(error, config.server) ?? error;
  }
}

function announce(server: RunningServer): void {
  const { log, chainNames } = server.gateway;
  log.info(`Gatewright listens on ${server.url}`, cluster.isWorker ? { pid: process.pid } : undefined);
  log.info(`Chain: ${chainNames.join(" → ") || "empty"}`);
}

/** Waits for a signal, then stops as the config says. */
async function untilStopped(server: RunningServer, stop = nextStop()): Promise<number> {
  const { log } = server.gateway;
  const signal = await stop;
  const { preStopDelayMs, drainTimeoutMs } = server.gateway.config.server;
  log.info(`${signal}: ${server.gateway.active} requests running; a second signal ends them`);
  server.gateway.drain();
  const second = nextStop();
  const delayed = await Promise.race([
    sleep(preStopDelayMs, undefined, { ref: false }),
    second.then(() => "second" as const),
  ]);
  if (delayed === "second") return stopNow(server);
  const clean = await Promise.race([server.stop(drainTimeoutMs), second.then(() => "second" as const)]);
  if (clean === "second") return stopNow(server);
  return clean ? 0 : 1;
}

async function stopNow(server: RunningServer): Promise<number> {
  server.gateway.abortAll();
  await server.stop(0);
  return 1;
}
