import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { JsonObject, OperationName } from "gatewright";
import { encodeFrame } from "./_amazon-frames.ts";
import type { Frame } from "./_amazon-frames.ts";
import { FAMILY, familyExchanges } from "./_family.ts";

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
  chunks?: (string | Uint8Array)[];
  /** In place of `chunks`: the frames of an Amazon event stream. */
  frames?: Frame[];
}

/** The chunks of a reply as they arrive. */
export function bytesOf({ chunks = [] }: UpstreamReply): Uint8Array[] {
  return chunks.map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk) : chunk));
}

/** Exactly one of `reply`, `stream`, `error` and `refused`. */
export interface HubOutcome {
  /** Fields reported in `x-gatewright-dropped`; of streams, before their first content. */
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
  /** What a front door in another dialect gets to read, where that is not what the client gets. */
  bridged?: { reply?: JsonObject; stream?: JsonObject[] };
}

/** When the exchanges took place: seconds since the epoch, which replies carry whose backend gives no time. */
export const NOW_SECONDS = 1_767_225_600;

/** The id of the request in all exchanges, of which ids in replies are made whose backend gives none. */
export const REQUEST_ID = "req-7f3a";

const fixtures = new URL("fixtures/", import.meta.url);

/** All exchanges of an adapter: its files by name, then what it shares with the family that it belongs to. */
export function readExchanges(adapter: string, folder: URL = fixtures): Exchange[] {
  return [...readOwnExchanges(adapter, folder), ...familyExchanges(adapter)];
}

function readOwnExchanges(adapter: string, folder: URL): Exchange[] {
  const own = new URL(`${adapter}/`, folder);
  if (!existsSync(own) && FAMILY[adapter]) return [];
  return readdirSync(own)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const exchange = JSON.parse(readFileSync(new URL(file, own), "utf8")) as Omit<Exchange, "id">;
      const reply = exchange.upstream?.reply;
      if (reply?.frames) reply.chunks = reply.frames.map(encodeFrame);
      return { id: file.slice(0, -".json".length), ...exchange };
    });
}
