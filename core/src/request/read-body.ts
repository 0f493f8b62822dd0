import { parseJsonBody } from "../body/json-body.ts";
import { readMultipartBody } from "../body/multipart-body.ts";
import type { Handler } from "../chain.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { GatewayError, isGatewayError } from "../errors.ts";
import { describeGiven } from "../field-fault.ts";
import { unknownModel } from "../models/visible-models.ts";
import type { FieldFault, Operation } from "../operation.ts";
import type { Reply } from "../reply.ts";
import type { Target } from "../target.ts";
import type { RequestContext } from "./request-context.ts";

/**
 * Reads the body, checks it, and finds the targets of its model. Stands in the chain before the first plugin that
 * needs any of these, so that those before it can refuse on headers alone.
 */
export function createAdmission(config: ResolvedConfig, rest: Handler): Handler {
  const { limits } = config.server;
  const authenticates = config.plugins.some(({ plugin }) => plugin.definition.gives?.includes("principal"));
  const bounds = { maxDepth: limits.jsonDepth, maxValues: limits.jsonValues };

  // Not `async`: where the body is at hand, as mostly, promises around that of the rest would cost turns of the queue.
  return function admit(ctx) {
    try {
      if (ctx.operation.body === "json") return admitJson(ctx);
      return ctx.operation.body === "multipart" ? admitMultipart(ctx) : enter(ctx);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  function admitJson(ctx: RequestContext): Promise<Reply> {
    requireMediaType(ctx, "application/json");
    const read = ctx.exchange.downstream.readAll(limits.jsonBytes);
    return read instanceof Uint8Array ? takeJson(ctx, read) : read.then((bytes) => takeJson(ctx, bytes));
  }

  function takeJson(ctx: RequestContext, bytes: Uint8Array): Promise<Reply> {
    const { exchange, operation } = ctx;
    exchange.bytesIn = bytes.length;
    const body = parseJsonBody(bytes, bounds, operation.listMember);
    const fault = operation.validate?.(body, ctx.request, limits);
    if (fault) throw toError(fault);
    ctx.body = body;
    return enter(ctx);
  }

  async function admitMultipart(ctx: RequestContext): Promise<Reply> {
    const { exchange, operation } = ctx;
    requireMediaType(ctx, "multipart/form-data");
    const length = ctx.request.headers["content-length"];
    const body = await readMultipartBody({
      contentType: ctx.request.headers["content-type"]!,
      contentLength: length === undefined ? undefined : Number(length),
      chunks: exchange.downstream.stream(),
      bounds: operation.imageFiles
        ? { ...limits, fileBytes: { names: operation.imageFiles, limit: limits.imageBytes } }
        : limits,
      spoolBytes: limits.spoolBytes,
      aliases: operation.fieldAliases,
      modelless: operation.modelless,
    });
    ctx.body = body;
    exchange.onFinished(() => {
      body
        .close()
        .catch((error: unknown) =>
          exchange.log.warn("a spooled upload could not be closed", { error: String(error) }),
        );
    });
    return enter(ctx);
  }

  /** Finds the targets and goes on. */
  function enter(ctx: RequestContext): Promise<Reply> {
    const { exchange, operation, body } = ctx;
    exchange.stream = operation.wantsStream?.(body, ctx.request) ?? false;
    if (operation.modelless) ctx.candidates = exchange.router.backendsFor(operation);
    else if (operation.answer === undefined) {
      const model = exchange.requestedModel === "" ? givenModel(ctx) : exchange.requestedModel;
      ctx.model = exchange.requestedModel = modelOf(model, operation, config);
      if (model === undefined || model === null) ctx.body = body.with({ model: ctx.model });
      ctx.candidates = resolve(ctx);
    }
    return rest(ctx);
  }

  function resolve(ctx: RequestContext): readonly Target[] {
    try {
      return ctx.resolve(ctx.model);
    } catch (error) {
      // Whoever has still to say who they are may not be told which models there are.
      const isTold = ctx.principal !== undefined || !authenticates;
      if (!isTold || !isGatewayError(error) || error.code !== "model_not_found") throw error;
      throw unknownModel(ctx.model, ctx, ctx.exchange.router);
    }
  }
}

function requireMediaType(ctx: RequestContext, expected: string): void {
  const { headers } = ctx.request;
  const given = headers["content-type"];
  if (given === expected) return;
  if (given === undefined && expected === "application/json") return;
  const type = given?.split(";", 1)[0]!.trim().toLowerCase();
  if (type !== expected)
    throw new GatewayError("unsupported_media_type", {
      message: `Expected content type ${expected}, got ${type ? `\`${type}\`` : "none"}`,
    });
}

function givenModel({ body, operation, request }: RequestContext): unknown {
  return operation.modelOf ? operation.modelOf(request) : body.get("model");
}

/** Longest name that is looked up. */
const MAX_MODEL_LENGTH = 256;
/** JSON can spell half of a pair alone, which no path and no UTF-8 can hold. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function modelOf(given: unknown, operation: Operation, config: ResolvedConfig): string {
  // A multipart body is passed on as it came, so that a default cannot be written into it.
  const model = given ?? (operation.body === "multipart" ? undefined : config.defaultModels[operation.name]);
  if (model === undefined || model === null)
    throw new GatewayError("missing_parameter", {
      param: "model",
      message: `\`model\` is required: ${EXPECTED_MODEL}`,
    });
  if (
    typeof model !== "string" ||
    model === "" ||
    model.length > MAX_MODEL_LENGTH ||
    LONE_SURROGATE.test(model)
  )
    throw new GatewayError("invalid_request", {
      param: "model",
      message: `\`model\` must be ${EXPECTED_MODEL}, got ${describeModel(model)}`,
    });
  return model;
}

const EXPECTED_MODEL = "the name of a model, as `GET /v1/models` lists them";

function describeModel(given: unknown): string {
  if (typeof given !== "string" || given === "") return describeGiven(given);
  return given.length > MAX_MODEL_LENGTH
    ? `a text of ${given.length} characters`
    : "a text with half of a character in it";
}

function toError({ param, missing, message }: FieldFault): GatewayError {
  return new GatewayError(missing ? "missing_parameter" : "invalid_request", { param, message });
}
