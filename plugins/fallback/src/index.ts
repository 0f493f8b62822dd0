import { defineGatewayPlugin, isGatewayError } from "gatewright";
import type {
  ConfigView,
  Context,
  GatewayError,
  GatewayPluginFactory,
  Next,
  Reply,
  UnknownName,
} from "gatewright";
import { AnswerCache } from "./answer-cache.ts";
import { answerElsewhere } from "./elsewhere.ts";
import { failureKind } from "./failure-kind.ts";
import { placesByKind } from "./itinerary.ts";
import { FallbackOptions } from "./options.ts";
import type { Places } from "./options.ts";
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
  check: ({ models, on }, config) => [
    ...findUnknownNames(models, ["models"], config),
    ...findUnknownNames(on.contextWindow, ["on", "contextWindow"], config),
    ...findUnknownNames(on.contentPolicy, ["on", "contentPolicy"], config),
  ],
  setup(options, gateway) {
    const lists = placesByKind(options);
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

/** A list for a model that is none would never be looked at, and a place that is none always passed over. */
function findUnknownNames(
  lists: Places,
  at: UnknownName["path"],
  { checkBackend, checkModel }: ConfigView,
): UnknownName[] {
  return Object.entries(lists).flatMap(([model, places]) => [
    ...(model === "*" ? [] : checkModel(model, [...at, model])),
    ...places.flatMap((place, index) => {
      const path = [...at, model, index];
      if (typeof place === "string") return checkModel(place, path);
      const ofModel = place.model === undefined ? [] : checkModel(place.model, [...path, "model"]);
      return [...checkBackend(place.backend, [...path, "backend"]), ...ofModel];
    }),
  ]);
}
