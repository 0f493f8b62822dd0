import type { DownstreamRequest } from "gatewright";

/** Longer ones are nobody's key; hashing them would let strangers set the cost of a refusal. */
export const MAX_KEY_LENGTH = 512;

/** One token of visible ASCII, after a scheme in any case and a single space (RFC 9110, section 11.4). */
const BEARER = /^bearer ([\x21-\x7e]+)$/i;
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * The key that a request carries: `X-API-Key`, else `Authorization: Bearer`. Empty when there is none or it is not
 * exactly one token; also for two `Authorization` headers, which arrive joined by a comma and a space.
 */
export function readCredential(headers: DownstreamRequest["headers"]): string {
  const apiKey = headers["x-api-key"];
  if (apiKey !== undefined) return isToken(apiKey) ? apiKey : "";
  const authorization = headers["authorization"];
  if (authorization === undefined) return "";
  const token = BEARER.exec(authorization)?.[1] ?? "";
  return token.length <= MAX_KEY_LENGTH ? token : "";
}

/** True for a text that can be sent as a key. */
export function isToken(text: string): boolean {
  return text.length <= MAX_KEY_LENGTH && TOKEN.test(text);
}
