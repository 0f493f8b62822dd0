import { resolveConfig, serve } from "gatewright";
import type { Adapter, JsonObject } from "gatewright";
import type { Exchange } from "./exchange.ts";
import { playBackend } from "./played-backend.ts";
import type { PlayedBackend, PlayOptions } from "./played-backend.ts";
import { frontDoorOf } from "./run-mapping.ts";

/** A real gateway before the server that plays one exchange. */
export interface PlayedGateway {
  readonly backend: PlayedBackend;
  /** Everything that it logged so far. */
  log(): string;
  /** Sends the exchange's request. */
  ask(signal?: AbortSignal): Promise<Response>;
}

/** The host in recorded options that stands for the played backend, e.g. of an issuer of tokens. */
const PLAYED_HOST = "http://played.invalid";

/** The exchange's options, whose hosts are the server that plays it. */
export function playedOptions({ backend }: Exchange, url: string): JsonObject {
  return JSON.parse(JSON.stringify(backend.options).replaceAll(PLAYED_HOST, url)) as JsonObject;
}

/** Starts a backend and a gateway for one exchange, and stops both when `use` is done. */
export async function withPlayedGateway<Result>(
  adapter: Adapter,
  exchange: Exchange,
  options: PlayOptions,
  use: (played: PlayedGateway) => Promise<Result>,
): Promise<Result> {
  const backend = await playBackend(exchange.upstream?.reply ?? { status: 500, headers: {} }, options);
  try {
    const lines: string[] = [];
    const gateway = await startGateway(adapter, exchange, backend.url, lines);
    try {
      return await use({
        backend,
        log: () => lines.join(""),
        ask: (signal) => ask(gateway.url, exchange, signal),
      });
    } finally {
      await gateway.stop(1_000);
    }
  } finally {
    await backend.close();
  }
}

async function startGateway(
  adapter: Adapter,
  exchange: Exchange,
  url: string,
  lines: string[],
): ReturnType<typeof serve> {
  const { model, apiKey } = exchange.backend;
  const config = {
    server: { host: "127.0.0.1", port: 0 },
    log: { level: "debug", format: "json" },
    backends: {
      played: {
        adapter: adapter.name,
        baseURL: `${url}/base`,
        apiKey,
        models: [model],
        ...playedOptions(exchange, url),
      },
    },
    models: { [String(exchange.request["model"])]: { targets: [{ backend: "played", model }] } },
    plugins: [],
  };
  const adapters = new Map([[adapter.name, adapter]]);
  const resolved = await resolveConfig(config, { dir: process.cwd(), adapters });
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  return serve(resolved.config, { logSink: { write: (text) => void lines.push(text) } });
}

function ask(url: string, { operation, request }: Exchange, signal?: AbortSignal): Promise<Response> {
  const path = frontDoorOf(operation)?.paths[0];
  if (path === undefined) throw new Error(`core has no operation ${operation}`);
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
}
