import type { ServerLimits } from "../config/resolved.ts";
import type { Dialect } from "../operation.ts";

const COMMENT = ": keep-alive\n\n";

/** What a silent event stream gets, so that proxies in between keep it open. */
export function keepAliveOf(dialect: Dialect): string {
  return dialect.keepAlive ?? COMMENT;
}

/** It is due. */
export function isSilent(lastWriteAt: number, nowMs: number, { streamKeepAliveMs }: ServerLimits): boolean {
  return streamKeepAliveMs > 0 && nowMs - lastWriteAt >= streamKeepAliveMs;
}
