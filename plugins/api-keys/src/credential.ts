import type { DownstreamRequest } from "gatewright";

/** Longer ones are nobody's key; hashing them would let strangers set the cost of a refusal. */
export const MAX_KEY_LENGTH = 512;

/**
 * One token of visible ASCII, after a scheme in any case (RFC 9110, section 11.1) and a single space: more would be
 * allowed (section 11.4), but what no client sends by itself is taken for a mistake.
 */
const BEARER = /^bearer ([\x21-\x7e]+)$/i;
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * The key in the headers of a request: `X-API-Key`, else `X-Goog-Api-Key` (clients of Google's Gemini API), else
 * `Authorization: Bearer`. The first that is there counts alone: a second one is no second try. Empty when there is none or
 * it is not exactly one token; also for two `Authorization` headers, which arrive joined by a comma and a space.
 */
export function readCredential(headers: DownstreamRequest["headers"]): string {
  const apiKey = headers["x-api-key"] ?? headers["x-goog-api-key"];
  if (apiKey !== undefined) return isToken(apiKey) ? apiKey : "";
  const authorization = headers["authorization"];
  if (authorization === undefined) return "";
  const token = BEARER.exec(authorization)?.[1] ?? "";
  return token.length <= MAX_KEY_LENGTH ? token : "";
}

/** The key in a query, `?key=`; empty when there is none, several, or it is not exactly one token. */
export function readQueryCredential(query: string): string {
  if (!query.includes("key=")) return "";
  const keys = new URLSearchParams(query).getAll("key");
  return keys.length === 1 && isToken(keys[0]!) ? keys[0]! : "";
}

/** True for a text that can be sent as a key. */
export function isToken(text: string): boolean {
  return text.length <= MAX_KEY_LENGTH && TOKEN.test(text);
}
