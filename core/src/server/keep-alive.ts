import type { ServerLimits } from "../config/resolved.ts";

/** A silent event stream gets a comment, so that proxies in between keep it open. */
export const KEEP_ALIVE = ": keep-alive\n\n";

/** The comment is due. */
export function isSilent(lastWriteAt: number, nowMs: number, { streamKeepAliveMs }: ServerLimits): boolean {
  return streamKeepAliveMs > 0 && nowMs - lastWriteAt >= streamKeepAliveMs;
}
