import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResolvedConfig } from "../config/resolved.ts";
import { GatewayProcess, type GatewayProcessOptions } from "./gateway-process.ts";
import { createHttpServer } from "./http-server.ts";

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly gateway: GatewayProcess;
  /**
   * Stops: no new connections, running requests get `graceMs`, then an error. True when none had to be cut.
   */
  stop(graceMs: number): Promise<boolean>;
}

/** How often a stopping server looks whether it is done. */
const POLL_MS = 20;

/** How long requests may take to notice that the last connection is closed. */
const NOTICE_MS = 500;

/** How long connections on which nothing runs may take to end, or to bring what a client was about to send. */
const LINGER_MS = 500;

export interface ServeOptions extends GatewayProcessOptions {
  /** Called before the port is asked for: connections may come from now on. */
  onListen?(): void;
}

/** Serves a config on a port. */
export async function serve(config: ResolvedConfig, options: ServeOptions = {}): Promise<RunningServer> {
  const gateway = await GatewayProcess.start(config, options);
  const server = createHttpServer(gateway.listener, config.server.limits, gateway.onUpgrade);
  const sockets = socketsOf(server);
  try {
    options.onListen?.();
    await listen(server, config.server.port, config.server.host);
  } catch (error) {
    await gateway.close();
    throw error;
  }
  return runningServer(server, gateway, { host: config.server.host, sockets });
}

/** Open connections. Of a worker's server some may come before it tells that it listens. */
export function socketsOf(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  function forget(this: Socket): void {
    sockets.delete(this);
  }
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", forget);
  });
  return sockets;
}

export function runningServer(
  server: Server,
  gateway: GatewayProcess,
  { host, sockets }: { host: string; sockets: ReadonlySet<Socket> },
): RunningServer {
  const { port } = server.address() as { port: number };
  let stopping: Promise<boolean> | undefined;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    gateway,
    stop: (graceMs) => (stopping ??= stopServer(server, gateway, sockets, graceMs)),
  };
}

async function stopServer(
  server: Server,
  gateway: GatewayProcess,
  sockets: ReadonlySet<Socket>,
  graceMs: number,
): Promise<boolean> {
  gateway.drain();
  gateway.closeConnections();
  let isOpen = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve())).then(() => {
    isOpen = false;
  });
  const deadline = performance.now() + graceMs;
  // A request that a client had begun to send, or that waited to be read, runs to its end as others do.
  let restsSince = performance.now();
  for (let now = restsSince; ; now = performance.now()) {
    const runs = gateway.active > 0;
    if (runs) restsSince = now;
    if (runs ? now >= deadline : !isOpen || now - restsSince >= LINGER_MS) break;
    server.closeIdleConnections();
    await (isOpen ? Promise.race([closed, sleep(POLL_MS)]) : sleep(POLL_MS));
  }
  const clean = gateway.active === 0;
  if (!clean) {
    gateway.abortAll();
    await sleep(POLL_MS);
    server.closeIdleConnections();
  }
  const lingering = setTimeout(
    () => {
      for (const socket of sockets) socket.destroy();
    },
    clean ? 0 : LINGER_MS,
  );
  await closed;
  clearTimeout(lingering);
  const noticed = performance.now() + NOTICE_MS;
  while (gateway.active > 0 && performance.now() < noticed) await sleep(POLL_MS);
  gateway.terminateAll();
  await gateway.close();
  return clean;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
