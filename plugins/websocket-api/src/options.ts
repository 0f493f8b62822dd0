import { isWebOrigin } from "gatewright";
import * as v from "valibot";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
/** Longest timer of Node. */
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2_147_483_647));
const Origin = v.pipe(v.string(), v.check(isWebOrigin, "an origin, such as `https://app.example`"));

export const WebsocketApiOptions = v.strictObject({
  /** Requests that may run at once on one connection; one more is refused. @default 16 */
  maxConcurrent: v.optional(v.pipe(Count, v.maxValue(1_000)), 16),
  /** A client that gives no sign of life for one to two of these is gone, in milliseconds. 0: it is not asked. @default 30_000 */
  pingIntervalMs: v.optional(Milliseconds, 30_000),
  /** After that a connection takes no more requests, and ends with its last one, in milliseconds. 0: no limit. @default 3_600_000 */
  maxSessionMs: v.optional(Milliseconds, 3_600_000),
  /**
   * Web pages that may connect, such as `https://app.example`. Absent: those of any origin that bring a key which a plugin
   * accepts; without such a plugin, none.
   */
  allowedOrigins: v.optional(v.array(Origin)),
});

export type WebsocketApiOptions = v.InferOutput<typeof WebsocketApiOptions>;
