import { GatewayError } from "../errors.ts";
import { discardReply, isBodyStream, type Reply } from "../reply.ts";
import { toReplyField } from "../reply-fields.ts";
import type { Exchange } from "../request/exchange.ts";

/**
 * Holds a reply of the chain against what HTTP can carry, before anything of it is written: types do not reach plugins in
 * JavaScript. Throws a TypeError that says what a reply has to be, and lets go of a stream that will not be sent.
 */
export function checkReply(reply: Reply, { operation }: Exchange): void {
  if (typeof reply !== "object" || reply === null) throw expected("a reply", "an object", reply);
  const { status, headers, body, switch: session } = reply;
  if (!isBody(body)) throw expected("a reply's body", "bytes, text, null or a BodyStream", body);
  let fault: TypeError | undefined;
  if (!isStatus(status) && !(status === 101 && session && operation.websocket))
    fault = expected("a reply's status", "a whole number from 200 to 599", status);
  else if (typeof headers !== "object" || headers === null)
    fault = expected("a reply's headers", "an object of texts", headers);
  if (!fault) return;
  discardReply(reply);
  throw fault;
}

/** The error itself, or the fault in it that would keep it from being told. */
export function checkError(error: GatewayError): GatewayError {
  try {
    if (!isStatus(error.status))
      throw expected("an error's status", "a whole number from 200 to 599", error.status);
    for (const name in error.headers) toReplyField(name);
    return error;
  } catch (cause) {
    return new GatewayError("internal_error", { cause });
  }
}

/** The body that is sent. Some statuses have none, whatever a plugin gave (RFC 9110, sections 15.3.5, 15.3.6, 15.4.5). */
export function takeBody(reply: Reply): Reply["body"] {
  const { status, body } = reply;
  if (status !== 204 && status !== 205 && status !== 304) return body ?? null;
  discardReply(reply);
  return null;
}

/** A reply of these statuses says no length of the body that it has not (RFC 9110, section 8.6). */
export function hasLength(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** What a stream breaks off with that gives something else than bytes. */
export function notBytes(chunk: unknown): GatewayError {
  return new GatewayError("internal_error", { cause: expected("a chunk of a BodyStream", "bytes", chunk) });
}

function isStatus(status: unknown): boolean {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599;
}

function isBody(body: Reply["body"] | undefined): boolean {
  if (typeof body === "string" || body === null || body === undefined || body instanceof Uint8Array)
    return true;
  return (
    isBodyStream(body) &&
    typeof body.start === "function" &&
    typeof body.pause === "function" &&
    typeof body.resume === "function" &&
    typeof body.cancel === "function"
  );
}

function expected(what: string, wanted: string, got: unknown): TypeError {
  return new TypeError(
    `a plugin answered in a way that cannot be sent: ${what} is ${wanted}, got ${kindOf(got)}`,
  );
}

/** Never the value itself, save a number: it may be somebody's text. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null || typeof value === "number") return String(value);
  const name = typeof value === "object" ? (value.constructor?.name ?? "Object") : typeof value;
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}
