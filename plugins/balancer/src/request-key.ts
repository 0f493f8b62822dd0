import type { Context } from "gatewright";
import type { HashKey } from "./options.ts";

/** Reads what a request is hashed by; undefined or empty where it has none. */
export type KeyReader = (ctx: Context) => string | undefined;

export function keyReader(key: HashKey): KeyReader {
  if (typeof key === "object") {
    if ("header" in key) return (ctx) => ctx.request.headers[key.header];
    return (ctx) => readCookie(ctx.request.headers["cookie"], key.cookie);
  }
  switch (key) {
    case "user":
      return (ctx) => {
        const user = ctx.body.get("user");
        return typeof user === "string" ? user : undefined;
      };
    case "principal":
      return (ctx) => ctx.principal?.id;
    default:
      return (ctx) => ctx.request.clientAddress;
  }
}

/** RFC 6265, section 4.2.1. */
function readCookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
