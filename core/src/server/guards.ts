import type { IncomingMessage } from "node:http";
import { GatewayError } from "../errors.ts";

/** Where a request wants to go, once its framing was found sound. */
export interface RequestTarget {
  path: string;
  query: string;
}

/**
 * What Node's parser lets through and a gateway must not: repeated or malformed Host, a target in another form than
 * origin form, an over-long URL, an encoded body, a request that came back (RFC 9112, section 3.2; RFC 9110, sections
 * 7.2 and 7.6.3). Throws the refusal.
 */
export function checkRequest(req: IncomingMessage, urlBytes: number, via: string): RequestTarget {
  const { headers, rawHeaders } = req;
  checkLines(rawHeaders, headers, req.httpVersion);
  checkEncoding(headers["content-encoding"]);
  checkLoop(headers.via, via);
  checkTransferEncoding(headers["transfer-encoding"], req.httpVersion);
  checkLineCount(rawHeaders.length / 2);
  const url = originForm(req.url!, req.method!);
  checkLength(url, urlBytes);
  const mark = url.indexOf("?");
  return mark < 0 ? { path: url, query: "" } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

/** The same for a web `Request`: its runtime has seen to the framing, the Host and the form of the target. */
export function checkWebRequest({ headers, url }: Request, urlBytes: number, via: string): RequestTarget {
  checkEncoding(headers.get("content-encoding") ?? undefined);
  checkLoop(headers.get("via") ?? undefined, via);
  checkLineCount([...headers.keys()].length);
  const { pathname, search } = new URL(url);
  checkLength(pathname + search, urlBytes);
  return { path: pathname, query: search.slice(1) };
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding !== undefined && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", {
      message: "Encoded bodies are not accepted; send the body as it is",
    });
}

function checkLoop(passed: string | undefined, via: string): void {
  if (passed !== undefined && passed.includes(via)) throw new GatewayError("loop_detected");
}

/** Node leaves out what comes behind its 2,000th header line; nobody needs half as many. */
const MAX_HEADER_LINES = 1_000;

function checkLineCount(lines: number): void {
  if (lines > MAX_HEADER_LINES)
    throw new GatewayError("request_too_large", {
      status: 431,
      message: `The request has more than ${MAX_HEADER_LINES} header lines`,
    });
}

function checkLength(url: string, urlBytes: number): void {
  if (url.length > urlBytes)
    throw new GatewayError("uri_too_long", { message: `The URL is longer than ${urlBytes} bytes` });
}

function checkTransferEncoding(encoding: string | undefined, httpVersion: string): void {
  if (encoding === undefined) return;
  if (encoding.toLowerCase() !== "chunked") throw badRequest("The transfer encoding is not supported");
  // RFC 9112, section 6.1: the framing is to be taken as faulty.
  if (httpVersion === "1.0") throw badRequest("HTTP/1.0 has no transfer encodings");
}

/** llhttp 8, the parser of Node before 20.19.2, takes empty names and blanks in names (RFC 9112, section 5.1). */
const TAKES_LOOSE_NAMES = Number.parseInt(process.versions["llhttp"] ?? "") < 9;

/**
 * Node keeps the first of two Host or Authorization headers; a proxy in front may have read the second. Credentials are
 * for plugins to judge: they get both, joined as Node joins other headers.
 */
function checkLines(
  rawHeaders: readonly string[],
  headers: IncomingMessage["headers"],
  httpVersion: string,
): void {
  let credentials = 0;
  let host: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (TAKES_LOOSE_NAMES && (name === "" || name.includes(" ")))
      throw badRequest("A header name is not valid");
    if (name.length === 13 && name.toLowerCase() === "authorization" && ++credentials > 1)
      headers.authorization += `, ${rawHeaders[i + 1]!}`;
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (host !== undefined) throw badRequest("The Host header is given twice");
    host = rawHeaders[i + 1]!;
  }
  if (host === undefined) {
    if (httpVersion === "1.0") return;
    throw badRequest("The Host header is missing");
  }
  if (host === lastValidHost) return;
  if (!/^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(host))
    throw badRequest("The Host header is not valid");
  lastValidHost = host;
}

/** Nearly all requests name the same host: its form is checked once. */
let lastValidHost: string | undefined;

/** Absolute form is for proxies; its path is taken, its host is not (RFC 9112, section 3.2.2). */
function originForm(url: string, method: string): string {
  if (url.startsWith("/") || (url === "*" && method === "OPTIONS")) return url;
  const match = /^https?:\/\/[^/?#]+(\/[^#]*)?$/i.exec(url);
  if (!match) throw badRequest("The request target is not valid");
  return match[1] ?? "/";
}

function badRequest(message: string): GatewayError {
  return new GatewayError("invalid_request", { message, headers: { connection: "close" } });
}
