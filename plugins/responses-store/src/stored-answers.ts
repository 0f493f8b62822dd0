import { GatewayError, jsonReply, wholeOfQuery } from "gatewright";
import type { Context, GatewayHost, JsonObject, Next, Reply } from "gatewright";
import { toListed } from "./history.ts";
import { readStoredRequest } from "./operations.ts";
import type { Elsewhere, Kept, Records } from "./records.ts";

export interface StoredAnswerOptions {
  readonly records: Records;
  readonly owner: string;
  readonly gateway: GatewayHost;
}

/** Answers about a stored response: from what is kept here, or by the backend that keeps it. */
export async function answerStored(ctx: Context, next: Next, options: StoredAnswerOptions): Promise<Reply> {
  const { records, owner } = options;
  const { id, part } = readStoredRequest(ctx.request);
  const record = await records.response(owner, id);
  if (!record) throw missing(id);
  const isDeletion = ctx.request.method === "DELETE";
  if (record.kind === "elsewhere") {
    const reply = await askKeeper(next, id, record, options);
    if (isDeletion) await records.removeResponse(owner, id);
    return reply;
  }
  if (isDeletion) {
    await records.removeResponse(owner, id);
    return jsonReply({ id, object: "response", deleted: true });
  }
  if (part === "/cancel")
    throw new GatewayError("invalid_request", { message: "Only background responses can be cancelled" });
  if (part === "/input_items") return jsonReply(listItems(record, ctx.request.query));
  if (ctx.stream)
    throw new GatewayError("unsupported_parameter", {
      param: "stream",
      message: "`stream`: only the stream of a background response can be taken up again",
    });
  return jsonReply(record.response);
}

/** A target that is no longer configured took the response with it. */
function askKeeper(
  next: Next,
  id: string,
  record: Elsewhere,
  { gateway }: StoredAnswerOptions,
): Promise<Reply> {
  if (!gateway.backends.has(record.backend)) throw missing(id);
  const target = gateway.catalog.target(record.backend, record.model);
  return next({ model: record.requestedModel, candidates: [target], target });
}

function missing(id: string): GatewayError {
  return new GatewayError("not_found", { param: "id", message: `Response with id '${id}' not found.` });
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

/** A page of the input, the latest item first unless asked otherwise. */
function listItems({ input }: Kept, query: string): JsonObject {
  const wanted = new URLSearchParams(query);
  const limit = wholeOfQuery(wanted, "limit", 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
  const items = wanted.get("order") === "asc" ? input : input.toReversed();
  const after = wanted.get("after");
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0)
    throw new GatewayError("invalid_request", {
      param: "after",
      message: "`after` must be the id of an item of this input",
    });
  const data = items.slice(start, start + limit).map(toListed);
  return {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: start + data.length < items.length,
  };
}
