import { defineOperation, GatewayError, isJsonObject, wholeOfQuery } from "gatewright";
import type { JsonObject, Operation, Reply } from "gatewright";
import { anthropicDialect } from "./dialect.ts";

/** Anthropic's own (https://platform.claude.com/docs/en/api/models/list). */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

/**
 * `GET /v1/models` and `/v1/models/{id}` in Anthropic's shape. The paths are OpenAI's as well: the header tells who asks.
 * What there is to see is for `models`, core's own list, to say.
 */
export function createModelList(models: Operation): Operation {
  return defineOperation({
    ...models,
    name: "anthropicModels",
    mappedAs: "models",
    header: "anthropic-version",
    dialect: anthropicDialect,
    async answer(ctx, router) {
      const page = new URLSearchParams(ctx.request.query);
      return toAnthropic(await models.answer!(ctx, router), page);
    },
  });
}

function toAnthropic(reply: Reply, page: URLSearchParams): Reply {
  const json = JSON.parse(reply.body as string) as JsonObject;
  const body = Array.isArray(json["data"]) ? toPage(json["data"].filter(isJsonObject), page) : toModel(json);
  return { ...reply, body: JSON.stringify(body) };
}

/** `has_more` is about the direction that was asked for: what follows, or with `before_id` what goes before. */
function toPage(models: readonly JsonObject[], query: URLSearchParams): JsonObject {
  const limit = wholeOfQuery(query, "limit", 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const after = placeOf(models, query, "after_id");
  const before = placeOf(models, query, "before_id");
  if (after !== undefined && before !== undefined)
    throw new GatewayError("invalid_request", {
      param: "before_id",
      message: "`after_id` and `before_id` cannot be given together",
    });
  const start = before === undefined ? (after ?? -1) + 1 : Math.max(0, before - limit);
  const end = before ?? Math.min(models.length, start + limit);
  const data = models.slice(start, end).map(toModel);
  return {
    data,
    has_more: before === undefined ? end < models.length : start > 0,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
  };
}

/** Where the model stands that a parameter names; an unknown one would begin the list again without end. */
function placeOf(
  models: readonly JsonObject[],
  query: URLSearchParams,
  param: "after_id" | "before_id",
): number | undefined {
  const wanted = query.get(param);
  if (wanted === null) return undefined;
  const place = models.findIndex(({ id }) => id === wanted);
  if (place >= 0) return place;
  throw new GatewayError("invalid_request", {
    param,
    message: `\`${param}\` must be the id of a model of this list`,
  });
}

function toModel({ id, created, max_input_tokens, max_tokens }: JsonObject): JsonObject {
  const createdAt = new Date(typeof created === "number" ? created * 1000 : 0);
  return {
    type: "model",
    id,
    display_name: id,
    created_at: createdAt.toISOString(),
    max_input_tokens: max_input_tokens ?? null,
    max_tokens: max_tokens ?? null,
  };
}
