import type { GatewayError } from "../errors.ts";
import type { Reply } from "../reply.ts";
import { toReplyField } from "../reply-fields.ts";
import type { Exchange } from "../request/exchange.ts";

/** API replies are for the one who asked (RFC 9111, section 3.5). */
const NO_STORE = "private, no-store";

/**
 * Headers of a good reply: what the backend and plugins said, and where it came from. A flat list of names and values,
 * the form that Node writes without a detour.
 */
export function replyHeaders(exchange: Exchange, reply: Reply): string[] {
  const list = ["x-request-id", exchange.id, "cache-control", NO_STORE];
  const { requestIdHeader } = exchange.operation.dialect;
  if (requestIdHeader !== undefined) list.push(requestIdHeader, exchange.id);
  const { headers, attempt } = reply;
  const own = exchange.replyHeaders;
  for (const given in headers) {
    const name = toReplyField(given);
    if (name !== "" && name !== requestIdHeader && own?.[name] === undefined)
      list.push(name, toFieldValue(headers[given]!));
  }
  if (own) for (const name in own) list.push(name, toFieldValue(own[name]!));
  if (attempt) {
    list.push("x-gatewright-backend", attempt.target.backend.name);
    list.push("x-gatewright-attempts", String(exchange.attempts.length));
  }
  return list;
}

/** What a field value cannot hold (RFC 9110, section 5.5). */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROLS = /[\0-\x1f\x7f]+/g;

/** A file's name may be in any script: it goes out as UTF-8 bytes, each a character to Node. */
function toFieldValue(value: string): string {
  if (!UNSENDABLE.test(value)) return value;
  return Buffer.from(value.replaceAll(CONTROLS, " "), "utf8").toString("latin1");
}

/** An error as a whole reply in the client's dialect. */
export function errorReply(exchange: Exchange, error: GatewayError): { headers: string[]; body: string } {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "x-request-id": exchange.id,
    "cache-control": NO_STORE,
    ...exchange.replyHeaders,
  };
  for (const given in error.headers) {
    const name = toReplyField(given);
    if (name !== "") headers[name] = error.headers[given]!;
  }
  const { requestIdHeader } = exchange.operation.dialect;
  if (requestIdHeader !== undefined) headers[requestIdHeader] = exchange.id;
  const { attempts } = exchange;
  if (attempts.length > 0) {
    headers["x-gatewright-attempts"] = String(attempts.length);
    const attempt = error.attempt ?? attempts.at(-1)!;
    headers["x-gatewright-backend"] = attempt.target.backend.name;
  }
  return {
    headers: Object.entries(headers).flatMap(([name, value]) => [name, toFieldValue(value)]),
    body: exchange.operation.dialect.errorBody(error, exchange.id),
  };
}
