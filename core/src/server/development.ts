import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ResolvedConfig } from "../config/resolved.ts";
import { GatewayProcess, type GatewayProcessOptions } from "./gateway-process.ts";
import { applyServerLimits, listenForExpectations, listenForUpgrades } from "./http-server.ts";
import { runningServer, socketsOf, type RunningServer } from "./serve.ts";
import { StartRefused } from "./start-refused.ts";

/** Serves on listhen, which finds a free port near a busy one. */
export async function serveForDevelopment(
  config: ResolvedConfig,
  options: GatewayProcessOptions = {},
): Promise<RunningServer> {
  const { listen } = await import("listhen");
  const { port, host } = config.server;
  const gateway = await GatewayProcess.start(config, options);
  const listener = gateway.listener;
  let server: Server;
  try {
    const opened = await listen(listener, {
      hostname: host,
      port: port === 0 ? { random: true } : { port, portRange: [port, Math.min(65_535, port + 20)] },
      autoClose: false,
      showURL: false,
      qr: false,
      open: false,
    });
    server = opened.server;
  } catch (error) {
    await gateway.close();
    if ((error as Error).name === "GetPortError")
      throw new StartRefused(`No port can be opened at ${host}: this machine may not have that address.`, {
        cause: error,
      });
    throw error;
  }
  const taken = (server.address() as AddressInfo).port;
  if (port !== 0 && taken !== port)
    gateway.log.warn(`Port ${port} is in use: the gateway listens on ${taken} in its place`);
  removeShutdownHook(server, listener);
  applyServerLimits(server, config.server.limits);
  listenForExpectations(server, listener);
  listenForUpgrades(server, { listener, onUpgrade: gateway.onUpgrade, limits: config.server.limits });
  return runningServer(server, gateway, { host, sockets: socketsOf(server) });
}

/**
 * listhen's shutdown helper sets a field on `req.socket` when a response ends, and that is null after a cancelled
 * upload: an uncaught TypeError that any client could cause. The server is stopped without it.
 */
function removeShutdownHook(server: Server, listener: RequestListener): void {
  for (const hook of server.listeners("request"))
    if (hook !== listener) server.off("request", hook as RequestListener);
}
