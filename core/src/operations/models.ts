import { isOfProvider } from "../backend.ts";
import type { Context } from "../context.ts";
import { jsonReply } from "../json-reply.ts";
import { mayServe } from "../models/may-serve.ts";
import { maySee, unknownModel } from "../models/visible-models.ts";
import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import type { RoutedModel, Router } from "../router.ts";
import type { Target } from "../target.ts";
import { openaiDialect } from "./openai-dialect.ts";

const PATH = "/v1/models";

/** `created` of models whose backend states none: constant, so that it does not change between calls. */
const UNKNOWN_CREATED = 0;

/** `GET /v1/models` and `/v1/models/{id}`, an id with slashes and colons included: the names that may be asked for. */
export const models: Operation = defineOperation({
  name: "models",
  method: "GET",
  paths: [PATH, `${PATH}/**`],
  dialect: openaiDialect,
  body: "none",
  reply: "json",
  replaySafe: true,
  answer(ctx, router) {
    const id = decodeId(ctx.request.path.slice(PATH.length + 1));
    if (id === "") return jsonReply({ object: "list", data: listModels(ctx, router) });
    const model = maySee(ctx, id) ? router.find(id) : undefined;
    if (!model || model.targets.length === 0) throw unknownModel(id, ctx, router);
    return jsonReply(toModelObject(model, router));
  },
});

function listModels(ctx: Context, router: Router): JsonObject[] {
  const provider = new URLSearchParams(ctx.request.query).get("provider");
  return [...router.models.values()]
    .filter(
      ({ targets }) => provider === null || targets.some(({ backend }) => isOfProvider(backend, provider)),
    )
    .filter(({ name }) => maySee(ctx, name))
    .map((model) => toModelObject(model, router));
}

/** Made once for each model, since a list may hold very many. */
const described = new WeakMap<RoutedModel, JsonObject>();

/** A model as clients of several gateways expect it. */
function toModelObject(model: RoutedModel, router: Router): JsonObject {
  let description = described.get(model);
  if (!description) described.set(model, (description = describe(model, router)));
  return { ...description, ready: model.targets.some(({ backend }) => router.isReady(backend.name)) };
}

/** What is not known is null. */
function describe({ name, targets, canonicalName, aliases }: RoutedModel, router: Router): JsonObject {
  const { provider } = targets[0]!.backend.adapter;
  const price = firstOf(targets, (target) => target.price);
  return {
    id: name,
    object: "model",
    created: firstOf(targets, ({ created }) => created) ?? UNKNOWN_CREATED,
    owned_by: firstOf(targets, ({ ownedBy }) => ownedBy) ?? provider,
    provider,
    pricing: price ? { prompt: price.prompt, completion: price.completion } : null,
    capabilities: [...new Set(targets.flatMap(({ capabilities = [] }) => capabilities))],
    supported_apis: supportedApis(targets, router),
    max_tokens: firstOf(targets, ({ maxOutputTokens }) => maxOutputTokens) ?? null,
    max_input_tokens: firstOf(targets, ({ maxInputTokens }) => maxInputTokens) ?? null,
    canonical_name: canonicalName ?? null,
    aliases,
    backends: new Set(targets.map(({ backend }) => backend)).size,
  };
}

/** What the first target says that says anything. */
function firstOf<T>(targets: readonly Target[], read: (target: Target) => T | undefined): T | undefined {
  for (const target of targets) {
    const value = read(target);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Operations that some target serves, in whichever dialect. */
function supportedApis(targets: readonly Target[], { operations }: Router): string[] {
  return [...operations.values()]
    .filter((operation) => !operation.answer && targets.some((target) => mayServe(target, operation)))
    .map(({ name }) => name);
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
