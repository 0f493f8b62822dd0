import cluster from "node:cluster";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { formatFaults } from "../config/fault.ts";
import { loadGatewayConfig, type LoadResult } from "../config/load.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { ConfigWatcher } from "../config/watch.ts";
import { SETTLE_MS, tellingAfter, within, type Wait } from "../wait.ts";
import { serveForDevelopment } from "./development.ts";
import { FAULT, ProcessFaults } from "./process-faults.ts";
import { serve, type RunningServer, type ServeOptions } from "./serve.ts";
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
  /**
   * How long the code of a config and the setup of a plugin may take, in milliseconds: a reload is given up then, and a
   * start tells what it waits for. Default: 10,000.
   */
  settleMs?: number | undefined;
}

type Mode = "production" | "development";

/** Why a process is to stop. */
type StopReason = NodeJS.Signals | typeof FAULT;

/**
 * `gatewright start`: serves until SIGTERM or SIGINT, then drains; a second signal ends it at once. Resolves with the
 * exit code: 0, also for a signal while it starts, or 1 when running requests had to be cut, or after an exception that
 * nobody caught.
 */
export async function runStart(options: RunOptions): Promise<number> {
  const faults = new ProcessFaults();
  if (cluster.isWorker) return runWorker(options, faults);
  const wait = waitForStart(options);
  const stop = nextStop();
  const ended = Promise.race([stop, faults.fatal]);
  const loaded = await Promise.race([load(options, "production", wait), ended]);
  if (typeof loaded === "string") return stoppedEarly(loaded);
  const config = accept(loaded);
  if (config.server.workers > 1) return runWorkers(config.server.workers, faults.fatal);
  const server = await Promise.race([open(config, serve, { wait }), ended]);
  if (typeof server === "string") return stoppedEarly(server);
  announce(server);
  return untilStopped(server, faults, stop);
}

/** Nobody was served: the exit of the process ends what was being opened. */
function stoppedEarly(reason: StopReason): number {
  if (reason === FAULT) return 1;
  tellEarlyStop(reason);
  return 0;
}

/** What stops it from serving is told by the primary, once for all workers. */
async function runWorker(options: RunOptions, faults: ProcessFaults): Promise<number> {
  const wait = waitForStart(options);
  const stop = nextStop();
  let listens = false;
  const start = async (): Promise<RunningServer> => {
    const config = accept(await load(options, "production", wait));
    return open(config, serve, { wait, onListen: () => (listens = true) });
  };
  let server: RunningServer;
  try {
    const starting = start();
    const first = await Promise.race([starting, stop, faults.fatal]);
    // Once it has asked for the port its primary hands it connections, and those are served.
    if (typeof first === "string" && !listens) return first === FAULT ? 1 : 0;
    server = await starting;
  } catch (error) {
    await tellPrimary({ failure: tellError(error) });
    return 1;
  }
  announce(server);
  const stopped = untilStopped(server, faults, stop);
  await tellPrimary({ ready: true });
  void faults.fatal.then(() => tellPrimary({ leaving: true }));
  return stopped;
}

/** There is no log yet. */
function waitForStart({ settleMs = SETTLE_MS }: Partial<RunOptions>): Wait {
  return tellingAfter(settleMs, (sentence) => console.error(sentence));
}

/**
 * `gatewright dev`: as `start`, and takes every change of the config, its imports and `.env` into use. A config that
 * fails leaves the old one serving and says why.
 */
export async function runDev(options: RunOptions): Promise<number> {
  const faults = new ProcessFaults();
  const stop = nextStop();
  const opening = openFromFile({ ...options, dev: true }, waitForStart(options));
  const opened = await Promise.race([opening, stop, faults.fatal]);
  if (typeof opened === "string") return stoppedEarly(opened);
  const stopped = untilStopped(opened.server, faults, stop);
  const watching = async (): Promise<number> => {
    await opened.follow();
    announce(opened.server);
    return stopped;
  };
  // The config is watched as long as the process lives: a reload that is under way is not waited for.
  return Promise.race([stopped, watching()]);
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
  const { follow, ...started } = await openFromFile(options);
  if (options.dev) await follow();
  return started;
}

/** One that serves. Changes of its config are taken from when `follow` has resolved. */
interface OpenedGateway extends StartedGateway {
  follow(): Promise<void>;
}

/** `wait` waits for the code of the config; by default as long as it takes. */
async function openFromFile(
  options: Partial<RunOptions> & { dev?: boolean },
  wait?: Wait,
): Promise<OpenedGateway> {
  const run: RunOptions = { cwd: process.cwd(), ...options };
  const mode: Mode = options.dev ? "development" : "production";
  const loadedAt = Date.now();
  const loaded = await load(run, mode, wait);
  const config = accept(loaded);
  // A port that was asked for is that one or none.
  const findsPort = options.dev === true && run.port === undefined;
  const server = await open(config, findsPort ? serveForDevelopment : serve, wait && { wait });
  const closing = new AbortController();
  const inTime = within(run.settleMs ?? SETTLE_MS, closing.signal);

  const reload = async (): Promise<{ ok: boolean; sources: readonly string[] }> => {
    const next = await load(run, mode, inTime);
    const { log } = server.gateway;
    if (!next.ok) {
      log.error(`The config has faults; the old one serves on.\n${formatFaults(next.faults, run.cwd)}`);
      return { ok: false, sources: next.sources };
    }
    try {
      await server.gateway.reload(next.config, inTime);
      log.info(`Config reloaded: ${server.gateway.chainNames.join(" → ") || "empty chain"}`);
      return { ok: true, sources: next.sources };
    } catch (error) {
      log.error(`The new config could not be taken into use; the old one serves on.\n${tellError(error)}`);
      return { ok: false, sources: next.sources };
    }
  };
  let watcher: ConfigWatcher | undefined;
  return {
    url: server.url,
    server,
    async follow() {
      watcher = await watch(loaded.sources, async () => (await reload()).sources, server);
      // A change that came before the watcher was ready.
      if (await anyNewerThan(loadedAt, loaded.sources)) await watcher.trigger();
    },
    reload: async () => (await reload()).ok,
    close: async () => {
      closing.abort();
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

function load(options: RunOptions, mode: Mode, wait?: Wait): Promise<LoadResult> {
  const { cwd, configFile: file, host, port, workers } = options;
  return loadGatewayConfig({ cwd, file, mode, wait, overrides: { host, port, workers } });
}

function accept(loaded: LoadResult): ResolvedConfig {
  if (!loaded.ok) throw new StartRefused(loaded.faults);
  // Workers load what their primary has told of.
  if (cluster.isPrimary) for (const warning of loaded.warnings) console.warn(warning);
  return loaded.config;
}

async function open(
  config: ResolvedConfig,
  start: (config: ResolvedConfig, options?: ServeOptions) => Promise<RunningServer>,
  options?: ServeOptions,
): Promise<RunningServer> {
  try {
    return await start(config, options);
  } catch (error) {
    throw refusalOf(error, config.server) ?? error;
  }
}

function announce(server: RunningServer): void {
  const { log, chainNames } = server.gateway;
  log.info(`Gatewright listens on ${server.url}`, cluster.isWorker ? { pid: process.pid } : undefined);
  log.info(`Chain: ${chainNames.join(" → ") || "empty"}`);
}

/** Waits for a signal, or for an exception that nobody caught, then stops as the config says. */
async function untilStopped(
  server: RunningServer,
  faults: ProcessFaults,
  stop = nextStop(),
): Promise<number> {
  const { log } = server.gateway;
  faults.log = log;
  const reason: StopReason = await Promise.race([stop, faults.fatal]);
  const { preStopDelayMs, drainTimeoutMs } = server.gateway.config.server;
  log.info(`${reason}: ${server.gateway.active} requests running; a second signal ends them`);
  server.gateway.drain();
  // Who sends the first signal after an exception wants what is happening already.
  const second = reason === FAULT ? stop.then(nextStop) : nextStop();
  const stopped = sleep(preStopDelayMs, undefined, { ref: false }).then(() => server.stop(drainTimeoutMs));
  const clean = await Promise.race([stopped, second]);
  if (typeof clean === "string") await stopNow(server);
  return clean === true && !faults.isFatal ? 0 : 1;
}

/** Whatever is still being waited for. */
async function stopNow(server: RunningServer): Promise<void> {
  server.gateway.abortAll();
  server.gateway.hurry();
  await server.stop(0);
}
