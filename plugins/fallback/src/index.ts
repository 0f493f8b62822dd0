import { defineGatewayPlugin, isGatewayError } from "gatewright";
import type { Context, GatewayError, GatewayHost, GatewayPluginFactory, Next, Reply } from "gatewright";
import { AnswerCache } from "./answer-cache.ts";
import { answerElsewhere } from "./elsewhere.ts";
import { failureKind } from "./failure-kind.ts";
import { placesByKind } from "./itinerary.ts";
import type { PlacesByKind } from "./itinerary.ts";
import { FallbackOptions } from "./options.ts";
import { preparedAnswer } from "./prepared-answer.ts";

export type { FallbackAnswer, FallbackCache, FallbackCauses, FallbackOptions, Place } from "./options.ts";

/**
 * Sends failed requests to other models or backends, then gives the last good or a prepared answer. Listed before
 * `retry`, so that a model is given up only after its retries.
 */
export const fallback: GatewayPluginFactory<typeof FallbackOptions> = defineGatewayPlugin({
  name: "fallback",
  options: FallbackOptions,
  needs: ["candidates"],
  setup(options, gateway) {
    const lists = placesByKind(options);
    checkBackends(lists, gateway);
    const cache = options.cache && new AnswerCache(options.cache, () => gateway.now());

    async function rescue(ctx: Context, next: Next, first: unknown): Promise<Reply> {
      if (!isGatewayError(first)) throw first;
      try {
        return await answerElsewhere(ctx, next, first, lists);
      } catch (error) {
        if (!isOutage(ctx, error)) throw error;
        const kept = cache?.find(ctx);
        if (kept) return kept;
        if (options.answer) return preparedAnswer(options.answer, ctx, error);
        throw error;
      }
    }

    return {
      middleware: async function fallback(ctx, next) {
        try {
          const reply = await next();
          cache?.keep(ctx, reply);
          return reply;
        } catch (error) {
          return rescue(ctx, next, error);
        }
      },
    };
  },
});

/** Only for these is there a prepared answer: never for a client error, and 429 is one. */
function isOutage(ctx: Context, error: unknown): error is GatewayError {
  return isGatewayError(error) && error.status >= 500 && failureKind(error) !== undefined && !ctx.aborted;
}

/** @throws when a list names a backend that the config does not have. */
function checkBackends(lists: PlacesByKind, { backends }: GatewayHost): void {
  for (const place of Object.values(lists).flatMap((byModel) => Object.values(byModel).flat())) {
    if (typeof place === "string" || backends.has(place.backend)) continue;
    throw new TypeError(
      `fallback: there is no backend \`${place.backend}\`; expected one of ${[...backends.keys()].join(", ")}`,
    );
  }
}
