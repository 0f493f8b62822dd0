import { GatewayError, PendingWrites, responseIdOfItem } from "gatewright";
import type { JsonObject, Logger, State } from "gatewright";
import * as v from "valibot";

const Json = v.custom<JsonObject>((value) => typeof value === "object" && value !== null);

/** A response that is kept here, with everything that was said before it. */
const Kept = v.object({
  kind: v.literal("kept"),
  response: Json,
  /** The input as items, the history included. */
  input: v.array(Json),
  /** What made all of it, as `makerOf` tells; absent where several did. */
  maker: v.optional(v.string()),
});

/** A response that its backend keeps. */
const Elsewhere = v.object({
  kind: v.literal("elsewhere"),
  backend: v.string(),
  /** The name at the backend. */
  model: v.string(),
  /** The name that the client asked for. */
  requestedModel: v.string(),
});

const ResponseRecord = v.variant("kind", [Kept, Elsewhere]);

/** The response that an item came with, where its id does not tell. */
const ItemRecord = v.object({ responseId: v.string() });

/** A conversation that a backend keeps, and who was first to use it. */
const ConversationRecord = v.object({ owner: v.string(), backend: v.string() });

export type Kept = v.InferOutput<typeof Kept>;
export type Elsewhere = v.InferOutput<typeof Elsewhere>;
export type ResponseRecord = v.InferOutput<typeof ResponseRecord>;
export type ConversationRecord = v.InferOutput<typeof ConversationRecord>;

/** What is known of responses and conversations, for each owner apart. */
export class Records {
  readonly #state: State;
  readonly #ttlMs: number;
  readonly #log: Logger;
  readonly #writes = new PendingWrites();

  constructor(state: State, ttlMs: number, log: Logger) {
    this.#state = state;
    this.#ttlMs = ttlMs;
    this.#log = log;
  }

  response(owner: string, id: string): Promise<ResponseRecord | undefined> {
    return this.#get(responseKey(owner, id), ResponseRecord);
  }

  /** The id of the response that an item came with. */
  async responseIdOf(owner: string, itemId: string): Promise<string | undefined> {
    const own = responseIdOfItem(itemId);
    return own ?? (await this.#get(itemKey(owner, itemId), ItemRecord))?.responseId;
  }

  conversation(id: string): Promise<ConversationRecord | undefined> {
    return this.#get(conversationKey(id), ConversationRecord);
  }

  /** Resolves to false when the state did not take it. Never rejects. */
  putResponse(owner: string, id: string, record: ResponseRecord): Promise<boolean> {
    return this.#put(responseKey(owner, id), record);
  }

  /** Notes where an item is found, unless its id says so. */
  async putItem(owner: string, itemId: string, responseId: string): Promise<void> {
    if (responseIdOfItem(itemId) === undefined) await this.#put(itemKey(owner, itemId), { responseId });
  }

  putConversation(id: string, record: ConversationRecord): Promise<boolean> {
    return this.#put(conversationKey(id), record);
  }

  async removeResponse(owner: string, id: string): Promise<void> {
    try {
      await this.#state.remove(responseKey(owner, id));
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  async close(): Promise<void> {
    await this.#writes.allSettled();
  }

  async #get<Schema extends v.GenericSchema>(
    key: string,
    schema: Schema,
  ): Promise<v.InferOutput<Schema> | undefined> {
    await this.#writes.settled(key);
    let found: object | undefined;
    try {
      found = await this.#state.get(key);
    } catch (cause) {
      throw unavailable(cause);
    }
    const { success, output } = v.safeParse(schema, found);
    return success ? output : undefined;
  }

  #put(key: string, record: object): Promise<boolean> {
    return this.#writes.add(key, this.#write(key, record));
  }

  async #write(key: string, record: object): Promise<boolean> {
    try {
      await this.#state.set(key, record, { ttlMs: this.#ttlMs });
      return true;
    } catch (error) {
      this.#log.warn("a response could not be stored", { error: String(error) });
      return false;
    }
  }
}

function responseKey(owner: string, id: string): string {
  return `response:${owner}:${id}`;
}

function itemKey(owner: string, id: string): string {
  return `item:${owner}:${id}`;
}

function conversationKey(id: string): string {
  return `conversation:${id}`;
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError("state_unavailable", {
    message: "Stored responses cannot be reached",
    cause,
  });
}
