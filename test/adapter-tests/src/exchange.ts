import { readdirSync, readFileSync } from "node:fs";
import type { JsonObject, OperationName } from "gatewright";

/**
 * One recorded exchange: what a client asks, what must reach the backend, what the backend answers, and what the
 * client must get. A file of JSON each, so that mappings can be held against it and a server can play it.
 */
export interface Exchange {
  /** Name of the file, without its ending. */
  id: string;
  /** What it shows, as the title of its tests. */
  title: string;
  /** The page that it was written from, and what of it the page does not show. `(?)`: not compared with the page. */
  source?: string;
  operation: OperationName;
  /** The backend's own settings in the config. `http://played.invalid` in options stands for the server that plays it. */
  backend: { model: string; apiKey?: string; options: JsonObject };
  /** In the operation's own shape; `model` is the name that the client uses. */
  request: JsonObject;
  /** Absent where the adapter refuses the request. */
  upstream?: { request: UpstreamRequest; reply: UpstreamReply };
  hub: HubOutcome;
}

/** What must reach the backend. */
export interface UpstreamRequest {
  method: string;
  /** Beneath the backend's base URL. */
  path: string;
  /** Headers that must be there; lower-case names. */
  headers: Record<string, string>;
  body: JsonObject;
}

/** What the backend answers: `body`, or `chunks`. */
export interface UpstreamReply {
  status: number;
  headers: Record<string, string>;
  /** A whole JSON body. */
  body?: JsonObject;
  /** A stream, cut as the network cut it. */
  chunks?: (string | Uint8Array)[];
}

/** What the client must get. Exactly one of `reply`, `stream`, `error` and `refused`. */
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

/** When exchanges took place: seconds since the epoch, which replies carry whose backend gives no time. */
export const NOW_SECONDS = 1_767_225_600;

/** The id of the request in all exchanges, of which ids in replies are made whose backend gives none. */
export const REQUEST_ID = "req-7f3a";

export interface ReadExchangesOptions {
  /** Bytes of one entry of `frames`, which a file may have in place of `chunks` where the framing is binary. */
  encodeFrame?(frame: JsonObject): Uint8Array;
}

/** A reply as it stands in a file. */
interface RecordedReply extends Omit<UpstreamReply, "chunks"> {
  chunks?: (string | { base64: string })[];
  frames?: JsonObject[];
}

/** All exchanges of a folder: its `.json` files, by name. Throws on a folder that holds none. */
export function readExchanges(folder: URL, options: ReadExchangesOptions = {}): Exchange[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  if (files.length === 0) throw new Error(`${folder.href} holds no exchange`);
  return files.sort().map((file) => {
    const exchange = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Omit<Exchange, "id">;
    if (exchange.upstream) {
      const reply = exchange.upstream.reply as RecordedReply;
      exchange.upstream.reply = toReply(reply, file, options);
    }
    return { id: file.slice(0, -".json".length), ...exchange };
  });
}

function toReply(
  { frames, chunks, ...reply }: RecordedReply,
  file: string,
  { encodeFrame }: ReadExchangesOptions,
): UpstreamReply {
  if (frames) {
    if (!encodeFrame) throw new Error(`${file} has \`frames\`, which take \`encodeFrame\``);
    return { ...reply, chunks: frames.map(encodeFrame) };
  }
  if (!chunks) return reply;
  const toBytes = (chunk: string | { base64: string }) =>
    typeof chunk === "string" ? chunk : Buffer.from(chunk.base64, "base64");
  return { ...reply, chunks: chunks.map(toBytes) };
}

/** The chunks of a reply as they arrive. */
export function bytesOf({ chunks = [] }: UpstreamReply): Uint8Array[] {
  return chunks.map((chunk) => (typeof chunk === "string" ? Buffer.from(chunk) : chunk));
}
