import { GatewayError, isJsonObject, narrowToPlace } from "gatewright";
import type { Context, JsonObject, KeptPlace, Target } from "gatewright";
import { historyOf, toForeignItems, toItems } from "./history.ts";
import { isId } from "./ids.ts";
import { makerOf, speaksResponses } from "./places.ts";
import type { Kept, Records, ResponseRecord } from "./records.ts";

export interface LinkOptions {
  readonly records: Records;
  readonly owner: string;
  /** Where a target's responses are kept. */
  keeper(target: Target): "there" | "here";
}

/** What a request goes on from. */
export interface Links {
  readonly previousId: string | undefined;
  readonly conversationId: string | undefined;
  /** The whole input with its history, where that is known here. */
  readonly items: readonly JsonObject[];
  /** The history that is put into the input. */
  readonly previous?: Kept | undefined;
}

/**
 * Follows what a request refers to: what is kept here is put into its input, what a backend keeps narrows the
 * candidates to that backend. Throws 404 for what does not exist, or belongs to somebody else.
 */
export async function followLinks(ctx: Context, options: LinkOptions): Promise<Links> {
  const { body } = ctx;
  const previousId = readId(body.get("previous_response_id"));
  const conversationId = readId(body.get("conversation"));
  const input = body.get("input");
  const given = toItems(input);
  const refers = given.some(({ type }) => type === "item_reference");
  const previous = previousId === undefined ? undefined : await findPrevious(previousId, options);

  if (previous?.kind === "elsewhere") narrowTo(ctx, previous, options, missingPrevious(previousId!));
  if (conversationId !== undefined) await narrowToConversation(ctx, conversationId, options);
  const items = refers ? await resolveReferences(given, options) : given;
  if (items.some(({ type }) => type === "item_reference") || needsAccount(ctx)) narrowToKeepers(ctx, options);

  const kept = previous?.kind === "kept" ? previous : undefined;
  if (!kept && !refers) return { previousId, conversationId, items };
  const whole = kept ? [...historyOf(kept), ...items] : items;
  ctx.body = body.with({
    input: toSendable(ctx, whole, new Set(given), kept?.maker),
    ...(kept && { previous_response_id: undefined }),
  });
  return { previousId, conversationId, items: whole, previous: kept };
}

function readId(value: unknown): string | undefined {
  const id = isJsonObject(value) ? value["id"] : value;
  if (id === undefined || id === null) return undefined;
  // What was never given is found nowhere.
  return typeof id === "string" ? id : "";
}

async function findPrevious(id: string, { records, owner }: LinkOptions): Promise<ResponseRecord> {
  const record = isId(id) ? await records.response(owner, id) : undefined;
  if (!record) throw missingPrevious(id);
  return record;
}

function missingPrevious(id: string): GatewayError {
  return new GatewayError("previous_response_not_found", {
    status: 404,
    type: "invalid_request_error",
    param: "previous_response_id",
    message: `Previous response with id '${id.slice(0, 128)}' not found.`,
  });
}

function narrowTo(
  ctx: Context,
  place: Pick<KeptPlace, "backend">,
  { keeper }: LinkOptions,
  missing: GatewayError,
): void {
  narrowToPlace(ctx, place, missing, (target) => keeper(target) === "there");
}

async function narrowToConversation(ctx: Context, id: string, options: LinkOptions): Promise<void> {
  const { records, owner, keeper } = options;
  const missing = new GatewayError("conversation_not_found", {
    status: 404,
    type: "invalid_request_error",
    param: "conversation",
    message: `Conversation with id '${id.slice(0, 128)}' not found.`,
  });
  const record = isId(id) ? await records.conversation(id) : undefined;
  if (record && record.owner !== owner) throw missing;
  if (record) {
    narrowTo(ctx, record, options, missing);
    return;
  }
  // It was made without the gateway: it can only be where there is but one place for it.
  const keepers = ctx.candidates.filter((target) => keeper(target) === "there");
  const places = new Set(keepers.map(({ backend }) => backend.name));
  if (!isId(id) || places.size !== 1) throw missing;
  ctx.candidates = keepers;
}

/** Background work and stored prompts need a backend that keeps them. */
function needsAccount({ body }: Context): boolean {
  const prompt = body.typeOf("prompt");
  return body.get("background") === true || (prompt !== "missing" && prompt !== "null");
}

/** Where there are none, the bridge says what cannot be carried. */
function narrowToKeepers(ctx: Context, { keeper }: LinkOptions): void {
  const keepers = ctx.candidates.filter((target) => keeper(target) === "there");
  if (keepers.length > 0) ctx.candidates = keepers;
}

/** Puts the items that are kept here in the place of references to them. Others are left to the backend. */
async function resolveReferences(items: readonly JsonObject[], options: LinkOptions): Promise<JsonObject[]> {
  const resolved: JsonObject[] = [];
  for (const item of items) {
    if (item["type"] === "item_reference") resolved.push(await resolveReference(item, options));
    else resolved.push(item);
  }
  return resolved;
}

async function resolveReference(reference: JsonObject, { records, owner }: LinkOptions): Promise<JsonObject> {
  const { id } = reference;
  const responseId = isId(id) ? await records.responseIdOf(owner, id) : undefined;
  if (responseId === undefined) return reference;
  const record = await records.response(owner, responseId);
  const found = record?.kind === "kept" ? historyOf(record).find((item) => item["id"] === id) : undefined;
  if (found) return found;
  throw new GatewayError("item_not_found", {
    status: 404,
    type: "invalid_request_error",
    param: "input",
    message: `Item with id '${String(id)}' not found.`,
  });
}

/**
 * What is added to the request (`given` is the client's own) goes to backends that have chat alone as it is, thoughts
 * included; backends that speak this API get less of it, so that the others are preferred. Thoughts go back to where they
 * come from: some models refuse the result of a call without those that led to it
 * (https://api-docs.deepseek.com/guides/thinking_mode).
 */
function toSendable(
  ctx: Context,
  items: readonly JsonObject[],
  given: ReadonlySet<JsonObject>,
  maker: string | undefined,
): readonly JsonObject[] {
  const bridged = ctx.candidates.filter((target) => !speaksResponses(target));
  if (bridged.length === 0) {
    const isOwn = ctx.candidates.every((target) => makerOf(target) === maker);
    return items.flatMap((item): JsonObject[] =>
      given.has(item) || (isOwn && item["type"] === "reasoning") ? [item] : toForeignItems(item),
    );
  }
  ctx.candidates = bridged;
  return items;
}
