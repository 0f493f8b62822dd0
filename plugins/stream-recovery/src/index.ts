import { defineGatewayPlugin, isEventStream } from "gatewright";
import type { Context, GatewayPluginFactory, Next, Reply } from "gatewright";
import { answerDialect } from "./answer-dialect.ts";
import type { AnswerDialect } from "./answer-dialect.ts";
import { ContinuedStream } from "./continued-stream.ts";
import { StreamRecoveryOptions } from "./options.ts";
import type { ContinueOptions } from "./options.ts";

export type { ContinueOptions, StreamRecoveryOptions } from "./options.ts";

/**
 * What happens when a stream breaks after its first content: an error event, or a continuation on another backend that
 * repeats and loses nothing. Listed before `retry`, `timeout` and the balancer, which then see the further attempt.
 */
export const streamRecovery: GatewayPluginFactory<typeof StreamRecoveryOptions> = defineGatewayPlugin({
  name: "stream-recovery",
  options: StreamRecoveryOptions,
  needs: ["candidates"],
  check: (options, { checkProvider }) =>
    options.strategy === "continue"
      ? options.prefill.flatMap((name, index) => checkProvider(name, ["prefill", index]))
      : [],
  setup(options) {
    return {
      middleware: function streamRecovery(ctx, next) {
        if (options.strategy === "error") return next();
        const dialect = dialectOf(ctx);
        return dialect ? recoverable(ctx, next, dialect, options) : next();
      },
    };
  },
});

async function recoverable(
  ctx: Context,
  next: Next,
  dialect: AnswerDialect,
  options: ContinueOptions,
): Promise<Reply> {
  // Layers below narrow the list on this very context during the first attempt.
  const { candidates, body } = ctx;
  const reply = await next();
  if (!isEventStream(reply.body)) return reply;
  const stream = new ContinuedStream({ ctx, next, candidates, body, dialect }, options);
  stream.begin(reply.body, reply.attempt);
  return { ...reply, body: stream.pipe };
}

/** Of a stream with one answer, whose text is all there is to it. */
function dialectOf({ operation, stream, body }: Context): AnswerDialect | undefined {
  if (!stream || body.kind !== "json") return undefined;
  if ((operation.answers?.(body) ?? 1) !== 1 || body.json["logprobs"] === true) return undefined;
  return answerDialect(operation.name);
}
