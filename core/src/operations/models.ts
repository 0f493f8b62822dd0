import type { Context } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import type { Reply } from "../reply.ts";
import type { RoutedModel, Router } from "../router.ts";
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
    if (id === "") return json({ object: "list", data: listModels(ctx, router) });
    const model = router.models.get(id);
    if (!model || !maySee(ctx, id))
      throw new GatewayError("model_not_found", {
        param: "model",
        message: `The model \`${id}\` does not exist`,
      });
    return json(toModelObject(model));
  },
});

function listModels(ctx: Context, router: Router): JsonObject[] {
  const provider = new URLSearchParams(ctx.request.query).get("provider");
  return [...router.models.values()]
    .filter((model) => maySee(ctx, model.name))
    .map(toModelObject)
    .filter((model) => provider === null || model["provider"] === provider);
}

function maySee({ principal }: Context, model: string): boolean {
  return principal?.allowsModel?.(model) ?? true;
}

function toModelObject({ name, targets }: RoutedModel): JsonObject {
  const first = targets[0]?.backend.adapter;
  const operations = new Set(targets.flatMap(({ backend }) => Object.keys(backend.adapter.operations)));
  return {
    id: name,
    object: "model",
    created: UNKNOWN_CREATED,
    owned_by: first?.provider ?? "gatewright",
    provider: first?.provider ?? null,
    supported_apis: [...operations],
  };
}

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function json(body: JsonObject): Reply {
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
