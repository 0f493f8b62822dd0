import { brotliDecompressSync, unzipSync, type BrotliOptions, type ZlibOptions } from "node:zlib";
import { asBuffer } from "../as-buffer.ts";
import type { Adapter } from "../adapter.ts";
import { stringifyJson } from "../body/exact-json.ts";
import { GatewayError, type UpstreamFailure } from "../errors.ts";
import { isJsonObject } from "../json-object.ts";
import type { JsonObject, StreamFailure } from "../operation.ts";
import { timeoutError } from "../outcome.ts";
import { toRetryAfter } from "../retry-after.ts";
import { statusOf } from "../stream/stream-error.ts";
import type { TransportFailure, UpstreamHeaders } from "../transport/transport.ts";
import { hiddenOf, type PreparedCall } from "./prepared-call.ts";

/** Statuses that are the client's to see; everything else is the gateway's trouble with its backend. */
const PASSED_STATUSES = new Set([400, 404, 409, 413, 415, 422, 429]);

/** What an error body says, in whichever of the known shapes it came. */
interface ReadError {
  status?: number;
  message?: string;
  type?: string;
  param?: string;
  code?: string;
}

/** Most of an error body that is read. */
export const MAX_ERROR_BYTES = 64 * 1024;

/** For so long, from its headers on, the body of an error is waited for. */
export const MAX_ERROR_MS = 5_000;

export interface UpstreamReply {
  status: number;
  headers: UpstreamHeaders;
  /** At most `MAX_ERROR_BYTES` and what came with the last of them. */
  body: Uint8Array;
}

/** What must not leave in an error: the credential, and where the backend is. */
export interface Hidden {
  readonly credential: string | undefined;
  readonly hosts: readonly string[];
  /** The client speaks the backend's dialect: details of an error are for it. */
  readonly keepsDetails: boolean;
}

/** A reply of status 400 or more, as the error that leaves the gateway. `model` is the name that the backend was asked for. */
export function fromErrorReply(
  reply: UpstreamReply,
  adapter: Adapter,
  hidden: Hidden,
  model: string,
): GatewayError {
  const parsed = parseBody(decoded(reply));
  const told: ReadError = adapter.fromError?.(reply.status, parsed) ?? readError(parsed);
  const { status = reply.status } = told;
  const read = redact(told, hidden);
  const retryAfterMs = readRetryAfter(reply.headers) ?? adapter.retryAfterMs?.(flat(reply.headers), parsed);
  const upstream: UpstreamFailure = { kind: "status", sent: true, status, retryAfterMs, code: read.code };

  if (status === 401 || status === 403) return new GatewayError("upstream_auth_error", { upstream });
  // Told to every gateway of the loop as what it is: another status would be worth a retry to each of them.
  if (status === 508) return new GatewayError("loop_detected", { upstream });
  if (!PASSED_STATUSES.has(status))
    return new GatewayError("provider_error", {
      message: `The backend failed with status ${status}`,
      upstream,
      headers: retryHeaders(retryAfterMs),
    });
  return new GatewayError(read.code ?? defaultCode(status, read, model), {
    status,
    type: read.type ?? (status === 429 ? "rate_limit_exceeded" : "invalid_request_error"),
    message: read.message ?? `The backend answered ${status}`,
    param: read.param,
    upstream: hidden.keepsDetails ? { ...upstream, details: detailsOf(parsed, hidden) } : upstream,
    headers: retryHeaders(retryAfterMs),
  });
}

/** A 2xx that was no answer: an error inside the body, or in place of a stream's first content. */
export function fromErrorBody(
  found: { status?: number; message?: string; code?: string },
  adapter: Adapter,
  hidden: Hidden,
  model: string,
): GatewayError {
  const body = Buffer.from(stringifyJson({ error: { message: found.message, code: found.code } }));
  return fromErrorReply(
    { status: statusOf(found) ?? 500, headers: {}, body },
    { ...adapter, fromError: undefined },
    hidden,
    model,
  );
}

/** What a backend reports in place of a stream's first content: the error that it would be as a whole reply. */
export function fromStreamFailure(
  failure: StreamFailure,
  event: JsonObject | undefined,
  prepared: PreparedCall,
): GatewayError {
  const { target, plan } = prepared;
  const { adapter } = target.backend;
  // Where a dialect has no number for it, its adapter may know what the word stands for.
  const isNumbered = failure.status !== undefined;
  const found = isNumbered || !event ? undefined : adapter.errorInReply?.(event, plan.mapped);
  return fromErrorBody({ ...failure, ...found }, adapter, hiddenOf(prepared), target.model);
}

export function malformedReply(message: string, status?: number): GatewayError {
  return new GatewayError("provider_error", { message, upstream: { kind: "malformed", sent: true, status } });
}

/** A call that failed below HTTP. */
export function fromTransportFailure(
  failure: TransportFailure,
  connectMs: number,
  status: number | undefined,
): GatewayError {
  const { sent, cause } = failure;
  switch (failure.kind) {
    case "connect_timeout":
      return timeoutError(connectMs, { kind: "timeout", sent: false });
    case "tls":
      return new GatewayError("upstream_tls_error", { upstream: { kind: "tls", sent: false }, cause });
    case "connect":
      return new GatewayError("provider_error", {
        message: "No connection to the backend",
        upstream: { kind: "connect", sent },
        cause,
      });
    case "unsendable":
      return new GatewayError("internal_error", { cause });
    case "malformed":
      return new GatewayError("provider_error", {
        message: "The backend's reply is not valid HTTP",
        upstream: { kind: "malformed", sent, status },
        cause,
      });
    case "interim":
      return new GatewayError("provider_error", {
        message: "The backend sent an interim reply (1xx) that nobody asked for",
        upstream: { kind: "malformed", sent, status },
        cause,
      });
    case "reset":
      return new GatewayError("provider_error", {
        message: "The backend closed the connection",
        upstream: { kind: "reset", sent, status },
        cause,
      });
  }
}

/** Codings that backends use unasked (RFC 9110, section 8.4.1). `unzip` knows gzip from deflate by its head. */
const DECODERS: ReadonlyMap<string, (body: Uint8Array, options: ZlibOptions & BrotliOptions) => Buffer> =
  new Map([
    ["gzip", unzipSync],
    ["x-gzip", unzipSync],
    ["deflate", unzipSync],
    ["br", brotliDecompressSync],
  ]);

/** Most of an error that is decoded: a body of some kilobytes may stand for a gigabyte. */
const MAX_DECODED_BYTES = 256 * 1024;

/** The body without its coding; as it came where that cannot be undone. */
function decoded({ headers, body }: UpstreamReply): Uint8Array {
  const decode = DECODERS.get(single(headers["content-encoding"])?.toLowerCase() ?? "");
  if (!decode) return body;
  try {
    return decode(body, { maxOutputLength: MAX_DECODED_BYTES });
  } catch {
    // Broken, cut short or too large: it tells no more than its status.
    return body;
  }
}

function parseBody(body: Uint8Array): unknown {
  const text = asBuffer(body).toString("utf8");
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/**
 * The shapes in the field: OpenAI's object, in `error` or without it (Cerebras), a bare string in `error` (Ollama),
 * FastAPI's `detail`.
 * Plain text and HTML say nothing that a client should see.
 */
function readError(body: unknown): ReadError {
  const root = Array.isArray(body) ? (body[0] as unknown) : body;
  if (typeof root !== "object" || root === null) return {};
  const { error, detail, message } = root as Record<string, unknown>;
  if (typeof error === "string") return { message: error };
  if (typeof error === "object" && error !== null) return readFields(error);
  return typeof message === "string" ? readFields(root) : readDetail(detail);
}

/**
 * A text, or what FastAPI finds wrong with a request: `[{ loc: ["body", "max_tokens"], msg, type, input }]`
 * (https://fastapi.tiangolo.com/tutorial/handling-errors/#override-request-validation-exceptions). `input` repeats what
 * was sent, and stays here.
 */
function readDetail(detail: unknown): ReadError {
  if (!Array.isArray(detail)) return { message: asText(detail) };
  const faults = detail.filter(isJsonObject).flatMap(({ loc, msg }) => {
    const place = placeOf(loc);
    const text = asText(msg);
    return text === undefined ? [] : { place, text: place === undefined ? text : `${place}: ${text}` };
  });
  return faults.length === 0
    ? {}
    : { message: faults.map(({ text }) => text).join("; "), param: faults[0]!.place };
}

/** `messages.0.role` of `["body", "messages", 0, "role"]`. */
function placeOf(loc: unknown): string | undefined {
  if (!Array.isArray(loc)) return undefined;
  const path: unknown[] = loc[0] === "body" ? loc.slice(1) : loc;
  return asText(path.filter((step) => typeof step === "string" || typeof step === "number").join("."));
}

/** Longest text of details that passes. */
const MAX_DETAILS = 8_000;

/** `error.details`, which Anthropic and Google have, without a word of what must not leave. */
function detailsOf(body: unknown, { credential, hosts }: Hidden): unknown {
  const root: unknown = Array.isArray(body) ? body[0] : body;
  const error = isJsonObject(root) ? root["error"] : undefined;
  const details = isJsonObject(error) ? error["details"] : undefined;
  if (typeof details !== "object" || details === null) return undefined;
  const text = JSON.stringify(details, (_name, value: unknown) =>
    typeof value === "string" ? withoutSecrets(value, [credential, ...hosts]) : value,
  );
  const isFit = text.length <= MAX_DETAILS && !(credential && text.includes(credential));
  return isFit ? (JSON.parse(text) as unknown) : undefined;
}

function readFields(error: object): ReadError {
  const { message, type, param, code } = error as Record<string, unknown>;
  return { message: asText(message), type: asText(type), param: asText(param), code: asText(code) };
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function defaultCode(status: number, read: ReadError, model: string): string {
  if (status === 429) return "rate_limit_exceeded";
  if (status === 413) return "request_too_large";
  if (status !== 404) return "invalid_request";
  return speaksOfModel(read, model) ? "model_not_found" : "not_found";
}

/** A server without the path answers 404 too: in HTML, in plain text, or with a bare `Not Found`. */
function speaksOfModel({ message = "", param }: ReadError, model: string): boolean {
  return param === "model" || /model/i.test(message) || (model !== "" && message.includes(model));
}

/** Codes, types and names of fields. Hosts may be called like a word in one of these: they say nothing there. */
const IDENTIFIER = /^[\w.[\]-]{1,128}$/;

function redact({ message, type, param, code }: ReadError, { credential, hosts }: Hidden): ReadError {
  const identifier = (text: string | undefined): string | undefined =>
    text && IDENTIFIER.test(text) && !(credential && text.includes(credential)) ? text : undefined;
  const clean = message && withoutSecrets(message, [credential, ...hosts]);
  return {
    message: clean && clean.length > 2_000 ? `${clean.slice(0, 2_000)}…` : clean,
    type: identifier(type),
    param: identifier(param),
    code: identifier(code),
  };
}

function withoutSecrets(text: string, secrets: readonly (string | undefined)[]): string {
  let clean = text;
  for (const secret of secrets) if (secret) clean = clean.replaceAll(secret, "[redacted]");
  return clean;
}

function retryHeaders(retryAfterMs: number | undefined): Record<string, string> {
  if (retryAfterMs === undefined) return {};
  return {
    "retry-after": toRetryAfter(retryAfterMs),
    "retry-after-ms": String(Math.ceil(retryAfterMs)),
  };
}

/** Longest wait that is believed: a day. */
const MAX_RETRY_AFTER_MS = 86_400_000;

/** `retry-after-ms`, else `retry-after` as seconds or HTTP date (RFC 9110, section 10.2.3). Garbage is ignored. */
export function readRetryAfter(headers: UpstreamHeaders, nowMs: number = Date.now()): number | undefined {
  const ms = single(headers["retry-after-ms"]);
  if (ms !== undefined && /^\d+(?:\.\d+)?$/.test(ms)) return Math.min(Number(ms), MAX_RETRY_AFTER_MS);
  const after = single(headers["retry-after"])?.trim();
  if (after === undefined) return undefined;
  if (/^\d+$/.test(after)) return Math.min(Number(after) * 1000, MAX_RETRY_AFTER_MS);
  if (!/^[A-Z][a-z]{2},/.test(after)) return undefined;
  const date = Date.parse(after);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - nowMs), MAX_RETRY_AFTER_MS);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function flat(headers: UpstreamHeaders): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of Object.keys(headers)) out[name] = single(headers[name]) ?? "";
  return out;
}
