import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { GatewayError, isGatewayError, jsonReply } from "gatewright";
import type { Context, JsonObject, Reply } from "gatewright";
import { progressToken, streamCall } from "./call-stream.ts";
import { errorMessage, isRequestId, readMessage, resultMessage } from "./json-rpc.ts";
import type { RpcMessage, RpcRequest } from "./json-rpc.ts";
import { answer, type McpServer, type Place, type Watcher } from "./methods.ts";
import { requestRevision, statedRevision, type Revision } from "./revisions.ts";
import { nameOfCall } from "./running-calls.ts";

/** The member that a body of several messages is read into. */
export const BATCH = "batch";
const MAX_BATCH = 100;

const ACCEPTED: Reply = { status: 202, headers: {}, body: null };

/** Answers one message, or a batch of them. Throws what is refused as a whole. */
export function serve(ctx: Context, server: McpServer): Promise<Reply> {
  const { json } = ctx.body;
  const batch = json[BATCH];
  return Array.isArray(batch) ? serveBatch(ctx, batch, server) : serveOne(ctx, json, server);
}

async function serveOne(ctx: Context, json: JsonObject, server: McpServer): Promise<Reply> {
  const message = readMessage(json);
  if (message.kind !== "request") {
    statedRevision(ctx.request.headers);
    await take(ctx, message, server);
    return ACCEPTED;
  }
  let revision: Revision | undefined;
  try {
    revision = requestRevision(message, ctx.request.headers);
    return await serveRequest(message, { ctx, server, revision, index: 0 });
  } catch (error) {
    if (!isFaultOfRequest(error)) throw error;
    // Before 2026-07-28 an error in answer to a request that was understood is an answer like any other.
    const status = revision?.stateless === false ? 200 : error.status;
    return jsonReply(errorMessage(message.id, error), status);
  }
}

async function serveRequest(request: RpcRequest, place: Place): Promise<Reply> {
  const token = progressToken(request, place.ctx);
  if (token !== undefined) {
    const { gateway, options } = place.server;
    const run = (watcher: Watcher): Promise<JsonObject> => responseTo(request, place, watcher);
    return streamCall({ token, everyMs: options.progressMs, now: () => gateway.now(), run });
  }
  const reply = jsonReply(resultMessage(request.id, await answer(request, place)));
  // A name for what one client does, and nothing that is kept: any process knows it.
  if (request.method === "initialize") reply.headers["mcp-session-id"] = randomUUID();
  return reply;
}

/** As 2025-03-26 has it; all at once, since each call waits for its own place in the chain. */
async function serveBatch(ctx: Context, batch: readonly unknown[], server: McpServer): Promise<Reply> {
  const revision = statedRevision(ctx.request.headers);
  if (!revision.batches) throw invalidRequest("Since 2025-06-18 a body is one message, and no list of them");
  if (batch.length === 0 || batch.length > MAX_BATCH)
    throw invalidRequest(`A batch holds 1 to ${MAX_BATCH} messages, got ${batch.length}`);
  // Every call of it listens for a client that leaves: Node warns of a leak from the eleventh on.
  setMaxListeners(0, ctx.signal);
  const responses = await Promise.all(
    batch.map((json, index) => answerInBatch(json, { ctx, server, revision, index })),
  );
  const given = responses.filter((response) => response !== undefined);
  return given.length === 0 ? ACCEPTED : jsonReply(given);
}

async function answerInBatch(json: unknown, place: Place): Promise<JsonObject | undefined> {
  let message: RpcMessage;
  try {
    message = readMessage(json);
  } catch (error) {
    if (!isFaultOfRequest(error)) throw error;
    return errorMessage(undefined, error);
  }
  if (message.kind === "request") return responseTo(message, place);
  await take(place.ctx, message, place.server);
  return undefined;
}

/** The response to a request, be it an error, where it cannot have an HTTP status of its own. */
async function responseTo(request: RpcRequest, place: Place, watcher?: Watcher): Promise<JsonObject> {
  const { id, method } = request;
  try {
    if (method === "initialize") throw invalidRequest("`initialize` cannot be part of a batch");
    return resultMessage(id, await answer(request, place, watcher));
  } catch (error) {
    if (!isFaultOfRequest(error)) throw error;
    return errorMessage(id, error);
  }
}

/** Notifications that mean nothing here are taken all the same, and so are responses: nothing was asked. */
async function take(ctx: Context, message: RpcMessage, { calls }: McpServer): Promise<void> {
  if (message.kind !== "notification" || message.method !== "notifications/cancelled") return;
  const id = message.params["requestId"];
  const name = isRequestId(id) ? nameOfCall(ctx, id) : undefined;
  if (name !== undefined) await calls.cancel(name);
}

/** What a client is told in answer to its request; all else is a failure, or nobody is left to be told. */
function isFaultOfRequest(error: unknown): error is GatewayError {
  return isGatewayError(error) && error.status < 499;
}

function invalidRequest(message: string): GatewayError {
  return new GatewayError("invalid_request", { message });
}
