import type { IncomingMessage, ServerResponse } from "node:http";
import { closesInStages, endAfterReply } from "./staged-close.ts";

/** An unread body up to this length is read away, so that the connection can be used again. */
const DRAINED_BYTES = 64 * 1024;
/** For so long at most. */
const DRAIN_MS = 30_000;

/**
 * Sees to what is still to come of a request that is answered now: a short rest is read away behind the reply, before a
 * long one the connection ends. True when it does, and the reply has to say so by `connection: close`.
 */
export function leavesBodyUnread(req: IncomingMessage, res: ServerResponse): boolean {
  if (req.complete) return false;
  const chunked = req.headers["transfer-encoding"] !== undefined;
  const length = Number(req.headers["content-length"] ?? 0);
  if (chunked || length > DRAINED_BYTES) {
    endAfterReply(req.socket);
    return true;
  }
  if (length > 0) boundDraining(req, res);
  return false;
}

/** Node reads away whatever comes, however slowly. */
function boundDraining(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req;
  // The client itself may have asked for the last reply on this connection.
  closesInStages(socket);
  res.once("close", () => {
    if (req.complete || socket.destroyed) return;
    const late = setTimeout(() => socket.destroy(), DRAIN_MS).unref();
    req.once("close", () => clearTimeout(late));
  });
}
