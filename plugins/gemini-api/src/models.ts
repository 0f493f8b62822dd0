import { compact, defineOperation, jsonReply, maySee, unknownModel, wholeOfQuery } from "gatewright";
import type { Adapter, Context, JsonObject, Operation } from "gatewright";
import { geminiDialect } from "./dialect.ts";

type Router = Parameters<NonNullable<Operation["answer"]>>[1];
type RoutedModel = NonNullable<ReturnType<Router["find"]>>;

const PATH = "/v1beta/models";

/** Google's own (ai.google.dev/api/models#method:-models.list). */
const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1_000;

/** Methods by the adapter's operations that serve them. */
const METHODS: readonly (readonly [method: string, ...operations: (keyof Adapter["operations"])[]])[] = [
  ["generateContent", "generateContent", "chat"],
  ["countTokens", "geminiCountTokens", "countTokens"],
  ["embedContent", "geminiEmbedContent", "embeddings"],
];

/** `GET /v1beta/models` and `/v1beta/models/{model}`, in Google's shape: the names that may be asked for. */
export const geminiModels: Operation = defineOperation({
  name: "geminiModels",
  method: "GET",
  paths: [PATH, `${PATH}/{model}`],
  dialect: geminiDialect,
  body: "none",
  reply: "json",
  replaySafe: true,
  answer(ctx, router) {
    const name = ctx.requestedModel;
    if (name === "") return jsonReply(listModels(ctx, router));
    const model = maySee(ctx, name) ? router.find(name) : undefined;
    if (!model || model.targets.length === 0) throw unknownModel(name, ctx, router);
    return jsonReply(toModel(model));
  },
});

/** One page. Its token is the number of models before it. */
function listModels(ctx: Context, { models }: Router): JsonObject {
  const query = new URLSearchParams(ctx.request.query);
  const size = readWhole(query, "pageSize") || DEFAULT_PAGE_SIZE;
  const start = readWhole(query, "pageToken");
  const end = start + Math.min(size, MAX_PAGE_SIZE);
  const visible = [...models.values()].filter(({ name }) => maySee(ctx, name));
  return {
    models: visible.slice(start, end).map(toModel),
    ...(end < visible.length && { nextPageToken: String(end) }),
  };
}

function readWhole(query: URLSearchParams, name: string): number {
  return wholeOfQuery(query, name, 0, 999_999_999) ?? 0;
}

function toModel({ name, targets }: RoutedModel): JsonObject {
  const served = new Set(targets.flatMap(({ backend }) => Object.keys(backend.adapter.operations)));
  return compact({
    name: `models/${name}`,
    displayName: name,
    inputTokenLimit: targets.find((target) => target.maxInputTokens !== undefined)?.maxInputTokens,
    outputTokenLimit: targets.find((target) => target.maxOutputTokens !== undefined)?.maxOutputTokens,
    supportedGenerationMethods: METHODS.filter(([, ...operations]) =>
      operations.some((operation) => served.has(operation)),
    ).map(([method]) => method),
  });
}
