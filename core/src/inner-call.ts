import { asBuffer } from "./as-buffer.ts";
import { parseJson, stringifyJson } from "./body/exact-json.ts";
import { JsonBody } from "./body/json-body.ts";
import { JsonTextView } from "./body/json-view.ts";
import type { Handler } from "./chain.ts";
import { GatewayError, isGatewayError, toGatewayError } from "./errors.ts";
import type { Gateway } from "./gateway.ts";
import type { JsonObject, Operation, OperationName } from "./operation.ts";
import { outcomeOf } from "./outcome.ts";
import { discardReply, isBodyStream, type Reply } from "./reply.ts";
import type { Downstream, Exchange } from "./request/exchange.ts";
import { RequestContext } from "./request/request-context.ts";
import { openExchange, type ExchangeKeeping } from "./server/open-exchange.ts";
import { newRequestId } from "./server/request-id.ts";

/** A request of a plugin to the gateway's own backends. */
export interface InnerCall {
  /** One whose request and reply are JSON, such as `embeddings`. */
  readonly operation: OperationName;
  /** A name as clients use it. */
  readonly model: string;
  /** In the operation's own shape; `model` is written into it. */
  readonly body: JsonObject;
  /** Gives the call up. */
  readonly signal?: AbortSignal;
}

export interface InnerCallOptions {
  /** The snapshot that the call belongs to; asked when it is made. */
  readonly gateway: () => Gateway;
  readonly dispatch: Handler;
  readonly keeping: ExchangeKeeping;
}

/**
 * Makes the function behind `GatewayHost.call`: the model's targets are tried in the order of the config until one
 * answers. No plugin sees the call; time limits hold for it, the snapshot stays open for it, and the request log has
 * a line for it, with its usage.
 */
export function createInnerCall({ gateway, dispatch, keeping }: InnerCallOptions) {
  return async function call({ operation: name, model, body, signal }: InnerCall): Promise<JsonObject> {
    signal?.throwIfAborted();
    const snapshot = gateway();
    const operation = snapshot.router.operations.get(name);
    if (operation?.body !== "json" || operation.reply !== "json")
      throw new GatewayError("unsupported_operation", {
        message: `\`${name}\` cannot be called from inside`,
      });
    const request = {
      method: operation.method,
      path: operation.paths[0] ?? "",
      query: "",
      headers: {},
      clientAddress: "",
    };
    const exchange = openExchange(
      snapshot,
      { id: newRequestId(), operation, model, request, downstream: NO_CLIENT },
      keeping,
    );
    const leave = (): void => exchange.abort(new GatewayError("client_closed_request"));
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const json = readReply(await firstAnswer(exchange, operation, { ...body, model }, dispatch));
      exchange.finish("complete", 200);
      return json;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      exchange.finish(outcomeOf(error), error.status, error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  };
}

async function firstAnswer(
  exchange: Exchange,
  operation: Operation,
  json: JsonObject,
  dispatch: Handler,
): Promise<Reply> {
  const body = new JsonBody(JsonTextView.read(Buffer.from(stringifyJson(json))));
  let failure = new GatewayError("no_available_instances");
  for (const target of exchange.router.resolve(exchange.requestedModel, operation)) {
    if (target.weight === 0) continue;
    const ctx = new RequestContext(exchange);
    ctx.model = exchange.requestedModel;
    ctx.body = body;
    ctx.candidates = [target];
    try {
      return await dispatch(ctx);
    } catch (error) {
      if (!isGatewayError(error) || exchange.abortReason || !mayDoBetter(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Another target might: a fault of the request is the same for all. */
function mayDoBetter({ upstream, status }: GatewayError): boolean {
  return upstream !== undefined && (status >= 500 || status === 429);
}

function readReply(reply: Reply): JsonObject {
  const { body } = reply;
  if (body === null || isBodyStream(body)) {
    discardReply(reply);
    throw new GatewayError("provider_error", { message: "Expected a whole JSON reply" });
  }
  return parseJson(typeof body === "string" ? body : asBuffer(body).toString("utf8")) as JsonObject;
}

const NO_CLIENT: Downstream = {
  readAll: () => Promise.reject(new GatewayError("internal_error")),
  stream: () => {
    throw new GatewayError("internal_error");
  },
  onAbort() {},
  expire() {},
};
