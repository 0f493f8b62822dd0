import { isEventStream, isJsonObject, readJsonReply, stringifyJson, toStreamEvent } from "gatewright";
import type { Context, EventStream, JsonObject, Reply, Target } from "gatewright";
import { toItems, withIds } from "./history.ts";
import { isId } from "./ids.ts";
import { makerOf } from "./places.ts";
import type { Records } from "./records.ts";
import type { Links } from "./request-links.ts";

export interface KeepOptions {
  readonly records: Records;
  readonly owner: string;
  readonly links: Links;
  readonly maxBytes: number;
}

/** How a response is kept that this gateway keeps. */
interface KeepHereOptions extends KeepOptions {
  /** What made all of it. */
  readonly maker: string | undefined;
}

/** The backend keeps the response: where it lives is noted, and the reply passes as it is. */
export async function noteReply(
  ctx: Context,
  reply: Reply,
  target: Target,
  { records, owner, links }: KeepOptions,
): Promise<Reply> {
  const note = async (response: JsonObject): Promise<void> => {
    const { id } = response;
    const backend = target.backend.name;
    if (links.conversationId !== undefined)
      await records.putConversation(links.conversationId, { owner, backend });
    if (isId(id) && ctx.body.get("store") !== false)
      await records.putResponse(owner, id, {
        kind: "elsewhere",
        backend,
        model: target.model,
        requestedModel: ctx.requestedModel,
      });
  };
  if (isEventStream(reply.body)) {
    let isNoted = false;
    reply.body.observe({
      event({ json }) {
        // The first event has the id: one may come back for a response whose stream was cut.
        if (isNoted || !isJsonObject(json) || !isJsonObject(json["response"])) return;
        isNoted = true;
        void note(json["response"]);
      },
    });
  } else {
    const response = readJsonReply(reply);
    if (response) await note(response);
  }
  return reply;
}

/** The response is kept here, if the client wants it kept, and says so. */
export async function keepReply(
  ctx: Context,
  reply: Reply,
  target: Target,
  given: KeepOptions,
): Promise<Reply> {
  const options = { ...given, maker: madeBy(target, given.links) };
  const isWanted = ctx.body.get("store") !== false;
  const { previousId } = options.links;
  if (!isWanted && previousId === undefined) return reply;
  if (isEventStream(reply.body)) {
    keepStream(reply.body, isWanted, options);
    return isWanted ? withoutDropped(reply, "store") : reply;
  }
  const response = readJsonReply(reply);
  if (!response) return reply;
  const isKept = isWanted && (await keep(restate(response, true, previousId), options));
  const body = stringifyJson(restate(response, isKept, previousId));
  return isKept ? withoutDropped({ ...reply, body }, "store") : { ...reply, body };
}

/** Kept as soon as its last event is there: who goes on from it finds it, at the latest, when that is written. */
function keepStream(stream: EventStream, isWanted: boolean, options: KeepHereOptions): void {
  const { previousId } = options.links;
  stream.transform((event) => {
    const { json } = event;
    if (!isJsonObject(json) || !isJsonObject(json["response"])) return event;
    const isWhole = json["type"] === "response.completed" || json["type"] === "response.incomplete";
    let isKept = isWanted && json["type"] !== "response.failed";
    const response = restate(json["response"], isKept, previousId);
    if (isWhole && isWanted) {
      isKept = fits(toInput(response, options), response, options);
      if (isKept) void keep(response, options);
    }
    return toStreamEvent({ ...json, response: { ...response, store: isKept } }, event.type);
  });
}

/** Undefined where the history is another's. */
function madeBy(target: Target, { previous }: Links): string | undefined {
  const maker = makerOf(target);
  return previous === undefined || previous.maker === maker ? maker : undefined;
}

async function keep(response: JsonObject, options: KeepHereOptions): Promise<boolean> {
  const { id } = response;
  const input = toInput(response, options);
  if (!isId(id) || !fits(input, response, options)) return false;
  const { records, owner, maker } = options;
  const [isKept] = await Promise.all([
    records.putResponse(owner, id, { kind: "kept", response, input, maker }),
    ...toItems(response["output"]).map((item) => isId(item["id"]) && records.putItem(owner, item["id"], id)),
  ]);
  return isKept;
}

function toInput(response: JsonObject, { links }: KeepOptions): JsonObject[] {
  return withIds(links.items, String(response["id"]));
}

function fits(input: readonly JsonObject[], response: JsonObject, { maxBytes }: KeepOptions): boolean {
  return Buffer.byteLength(stringifyJson(input)) + Buffer.byteLength(stringifyJson(response)) <= maxBytes;
}

/** What only the keeper knows of a response. */
function restate(response: JsonObject, store: boolean, previousId: string | undefined): JsonObject {
  return { ...response, store, previous_response_id: previousId ?? null };
}

/** What the translation could not carry was done here. */
function withoutDropped(reply: Reply, field: string): Reply {
  const { "x-gatewright-dropped": dropped, ...headers } = reply.headers;
  if (dropped === undefined) return reply;
  const rest = dropped.split(", ").filter((name) => name !== field);
  if (rest.length > 0) headers["x-gatewright-dropped"] = rest.join(", ");
  return { ...reply, headers };
}
