import { defineGatewayPlugin, isBodyStream, timeoutError } from "gatewright";
import type { Context, GatewayPluginFactory, Next, Reply } from "gatewright";
import { LimitClock } from "./limit-clock.ts";
import { createLimitsTable } from "./limits-table.ts";
import { TimeoutOptions } from "./options.ts";
import type { Limits } from "./options.ts";
import { timeStream } from "./timed-stream.ts";

export type { Limits, TimeoutOptions } from "./options.ts";

/**
 * Tighter time limits for what is listed after it: a breach gives up what runs there and fails with 504, so that a
 * `retry` or `fallback` listed before it goes elsewhere. A stream that has begun is held by `idleMs` and
 * `maxStreamMs` only.
 */
export const timeout: GatewayPluginFactory<typeof TimeoutOptions> = defineGatewayPlugin({
  name: "timeout",
  options: TimeoutOptions,
  needs: ["candidates"],
  check: ({ operations, models }, { checkModel, checkOperation }) => [
    ...Object.keys(operations).flatMap((name) => checkOperation(name, ["operations", name])),
    ...Object.keys(models).flatMap((name) => checkModel(name, ["models", name])),
  ],
  setup(options) {
    const limitsOf = createLimitsTable(options);
    return {
      middleware: function timeout(ctx, next) {
        const limits = limitsOf(ctx);
        return limits ? within(limits, ctx, next) : next();
      },
    };
  },
});

async function within(limits: Limits, ctx: Context, next: Next): Promise<Reply> {
  const controller = new AbortController();
  // Laid at the door of the attempt that is given up for it.
  const giveUp = (limitMs: number): void =>
    controller.abort(timeoutError(limitMs, { kind: "timeout", sent: true }));
  const { firstByteMs } = limits;
  const replyMs = replyLimit(limits, ctx);
  const earlier = ctx.attempts.length;
  const replyClock = replyMs === undefined ? undefined : new LimitClock(ctx, replyMs, () => giveUp(replyMs));
  const headersClock =
    firstByteMs === undefined
      ? undefined
      : new LimitClock(ctx, firstByteMs, () => {
          if (!hasHeaders(ctx, earlier)) giveUp(firstByteMs);
        });
  try {
    const reply = await next({ signal: controller.signal, target: ctx.target });
    const { body } = reply;
    if (!isBodyStream(body) || (limits.idleMs === undefined && limits.maxStreamMs === undefined))
      return reply;
    return { ...reply, body: timeStream(body, limits, (error) => controller.abort(error)) };
  } finally {
    replyClock?.stop();
    headersClock?.stop();
  }
}

/** The limit up to the reply: the whole of it, or the first content where it flows. */
function replyLimit({ totalMs, firstTokenMs }: Limits, { stream, operation }: Context): number | undefined {
  if (firstTokenMs === undefined || !(stream || operation.reply === "binary")) return totalMs;
  return totalMs === undefined ? firstTokenMs : Math.min(totalMs, firstTokenMs);
}

/** One of the attempts made since then has response headers and still runs. */
function hasHeaders({ attempts }: Context, earlier: number): boolean {
  return attempts
    .slice(earlier)
    .some(({ outcome, timeToFirstByteMs }) => outcome === undefined && timeToFirstByteMs !== undefined);
}
