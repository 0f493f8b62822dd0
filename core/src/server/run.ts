import cluster from "node:cluster";
import { stat } from "node:fs/promises";
import { formatFaults } from "../config/fault.ts";
import { loadGatewayConfig, type LoadResult } from "../config/load.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { ConfigWatcher } from "../config/watch.ts";
import { serveForDevelopment } from "./development.ts";
import { serve, type RunningServer } from "./serve.ts";
import { runWorkers } from "./workers.ts";

/** Flags of the command line; they win over the config. */
export interface RunOptions {
  cwd: string;
  configFile?: string | undefined;
  host?: string | undefined;
  port?: number | undefined;
  workers?: number | undefined;
}

type Mode = "production" | "development";

/** A mistake of the user's: shown as it is, without a stack. */
export class StartRefused extends Error {}

/**
 * `gatewright start`: serves until SIGTERM or SIGINT, then drains; a second signal ends it at once. Resolves with the
 * exit code: 0, or 1 when running requests had to be cut.
 */
export async function runStart(options: RunOptions): Promise<number> {
  const config = await loadOrRefuse(options, "production");
  if (config.server.workers > 1 && cluster.isPrimary) return runWorkers(config);
  const server = await open(() => serve(config), config);
  announce(server);
  if (cluster.isWorker) process.send?.({ ready: true });
  return untilStopped(server);
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
  const server = await open(() => (options.dev ? serveForDevelopment(config) : serve(config)), config);

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
      log.error(`The new config could not be taken into use; the old one serves on: ${messageOf(error)}`);
      return { ok: false, sources: next.sources };
    }
  };
  const watcher = options.dev
    ? await watch(loaded.sources, async () => (await reload()).sources, server)
    : undefined;
  // A change that came before the watcher was ready.
  if (watcher && (await anyNewerThan(loadedAt, loaded.sources))) await reload();
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

async function loadOrRefuse(options: RunOptions, mode: Mode): Promise<ResolvedConfig> {
  return accept(await load(options, mode));
}

function accept(loaded: LoadResult): ResolvedConfig {
  if (!loaded.ok) throw new StartRefused(formatFaults(loaded.faults));
  for (const warning of loaded.warnings) console.warn(warning);
  return loaded.config;
}

async function open(start: () => Promise<RunningServer>, { server }: ResolvedConfig): Promise<RunningServer> {
  try {
    return await start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new StartRefused(
        `Port ${server.port} is in use. Stop what listens there, or choose another with --port.`,
      );
    if (code === "EACCES")
      throw new StartRefused(`Port ${server.port} needs privileges. Choose one above 1023 with --port.`);
    if (code === "EADDRNOTAVAIL") throw new StartRefused(`This machine has no address ${server.host}.`);
    throw error;
  }
}

function announce(server: RunningServer): void {
  const { log, chainNames } = server.gateway;
  log.info(`Gatewright listens on ${server.url}`, cluster.isWorker ? { pid: process.pid } : undefined);
  log.info(`Chain: ${chainNames.join(" → ") || "empty"}`);
}

/** Waits for a signal, then stops as the config says. */
async function untilStopped(server: RunningServer): Promise<number> {
  const { log } = server.gateway;
  const signal = await nextSignal();
  const { preStopDelayMs, drainTimeoutMs } = server.gateway.config.server;
  log.info(`${signal}: ${server.gateway.active} requests running; a second signal ends them`);
  server.gateway.drain();
  const second = nextSignal();
  const delayed = await Promise.race([sleep(preStopDelayMs), second.then(() => "second" as const)]);
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

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const done = (signal: NodeJS.Signals): void => {
      process.off("SIGTERM", done);
      process.off("SIGINT", done);
      resolve(signal);
    };
    process.on("SIGTERM", done);
    process.on("SIGINT", done);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
