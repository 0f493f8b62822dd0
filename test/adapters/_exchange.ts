import { readdirSync, readFileSync } from "node:fs";
import type { JsonObject, OperationName } from "gatewright";

/**
 * One recorded exchange: what a client asks, what must reach the backend, what the backend answers, and what the
 * client must get. A file of JSON each, so that mappings can be held against it and a server can play it.
 */
export interface Exchange {
  /** Name of the file, without its ending. */
  id: string;
  title: string;
  operation: OperationName;
  backend: { model: string; apiKey?: string; options: JsonObject };
  /** In the operation's own shape; `model` is the name that the client uses. */
  request: JsonObject;
  /** Absent where the adapter refuses the request. */
  upstream?: { request: UpstreamRequest; reply: UpstreamReply };
  hub: HubOutcome;
}

export interface UpstreamRequest {
  method: string;
  /** Beneath the backend's base URL. */
  path: string;
  /** Headers that must be there; lower-case names. */
  headers: Record<string, string>;
  body: JsonObject;
}

export interface UpstreamReply {
  status: number;
  headers: Record<string, string>;
  /** A whole JSON body. */
  body?: JsonObject;
  /** A stream, cut as the network cut it. */
  chunks?: string[];
}

/** Exactly one of `reply`, `stream`, `error` and `refused`. */
export interface HubOutcome {
  /** Fields reported in `x-gatewright-dropped`. */
  dropped?: string[];
  reply?: JsonObject;
  /** Events as the client sees them, terminator left out; an `error` comes last. */
  stream?: JsonObject[];
  /** The stream lacks its finish: core ends it with an error event. */
  truncated?: boolean;
  error?: {
    /** Status and code that the client gets. */
    status: number;
    code: string;
    /** What the adapter reads out of the upstream's body. */
    read: JsonObject;
  };
  /** The field that the 400 names. */
  refused?: string;
}

const fixtures = new URL("fixtures/", import.meta.url);

/** All exchanges of an adapter, by file name. */
export function readExchanges(adapter: string, folder: URL = fixtures): Exchange[] {
  const own = new URL(`${adapter}/`, folder);
  return readdirSync(own)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => ({
      id: file.slice(0, -".json".length),
      ...(JSON.parse(readFileSync(new URL(file, own), "utf8")) as Omit<Exchange, "id">),
    }));
}
