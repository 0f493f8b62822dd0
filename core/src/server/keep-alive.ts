/** A silent event stream gets a comment, so that proxies in between keep it open. */
export const KEEP_ALIVE_MS = 15_000;
export const KEEP_ALIVE = ": keep-alive\n\n";
