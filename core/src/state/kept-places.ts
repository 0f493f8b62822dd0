import { createHash } from "node:crypto";
import type { Context } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { isJsonObject } from "../json-object.ts";
import { readJsonReply } from "../json-reply.ts";
import type { Logger } from "../log.ts";
import type { JsonObject } from "../operation.ts";
import type { Reply } from "../reply.ts";
import { isEventStream } from "../stream/event-stream.ts";
import type { Target } from "../target.ts";
import { PendingWrites } from "./pending-writes.ts";
import type { State } from "./state.ts";

/** Where something is kept that a backend made. */
export interface KeptPlace {
  readonly backend: string;
  /** The model's name at the backend. */
  readonly model: string;
  /** The name that the client asked for. */
  readonly requestedModel: string;
}

export interface KeptPlacesOptions {
  readonly state: State;
  readonly log: Logger;
  /** How long a place is known, in milliseconds. */
  readonly ttlMs: number;
}

/**
 * Which backend keeps what clients go on from by an id of that backend's, such as a conversation. Each principal finds
 * what it made itself and nothing of another's; without authentication all clients are one.
 */
export class KeptPlaces {
  readonly #options: KeptPlacesOptions;
  readonly #writes = new PendingWrites();

  constructor(options: KeptPlacesOptions) {
    this.#options = options;
  }

  /** Undefined for what is unknown, and for what is another principal's. Throws 503 `state_unavailable`. */
  async find(ctx: Context, id: string): Promise<KeptPlace | undefined> {
    const key = keyOf(ctx, id);
    await this.#writes.settled(key);
    try {
      const found = await this.#options.state.get(key);
      return isPlace(found) ? found : undefined;
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  /**
   * Notes where that is kept which a reply tells of: `idOf` reads its id from a whole reply, or from the first event that
   * has one. Replies that no backend made tell of nothing.
   */
  async note(ctx: Context, reply: Reply, idOf: (json: JsonObject) => unknown): Promise<void> {
    const target = reply.attempt?.target;
    if (!target) return;
    if (!isEventStream(reply.body)) {
      const id = idOf(readJsonReply(reply) ?? {});
      if (typeof id === "string") await this.#put(ctx, id, target);
      return;
    }
    let isNoted = false;
    reply.body.observe({
      event: ({ json }) => {
        if (isNoted || !isJsonObject(json)) return;
        const id = idOf(json);
        if (typeof id !== "string") return;
        isNoted = true;
        void this.#put(ctx, id, target);
      },
    });
  }

  /** Throws 503 `state_unavailable`. */
  async remove(ctx: Context, id: string): Promise<void> {
    try {
      await this.#options.state.remove(keyOf(ctx, id));
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writes.allSettled();
  }

  /** Never rejects: what the backend made is made, and is told to the client. */
  #put(ctx: Context, id: string, target: Target): Promise<void> {
    const { state, log, ttlMs } = this.#options;
    const key = keyOf(ctx, id);
    const place: KeptPlace = {
      backend: target.backend.name,
      model: target.model,
      requestedModel: ctx.requestedModel,
    };
    const write = state
      .set(key, place, { ttlMs })
      .catch((error: unknown) =>
        log.warn("the place of what a backend keeps could not be stored", { error: String(error) }),
      );
    return this.#writes.add(key, write);
  }
}

/**
 * Leaves the candidates of the backend that keeps what a request goes on from, of its targets those that do. Throws 503
 * `no_available_instances` while they are out of play, and `missing` where none of them serves the model.
 */
export function narrowToPlace(
  ctx: Context,
  { backend }: Pick<KeptPlace, "backend">,
  missing: GatewayError,
  keeps: (target: Target) => boolean = () => true,
): void {
  const isThere = (target: Target): boolean => target.backend.name === backend && keeps(target);
  const narrowed = ctx.candidates.filter(isThere);
  if (narrowed.length > 0) {
    ctx.candidates = narrowed;
    return;
  }
  if (!ctx.resolve(ctx.requestedModel).some(isThere)) throw missing;
  throw new GatewayError("no_available_instances", {
    message: "The backend that keeps what the request goes on from is not available",
  });
}

/** A document of another release may have another form. */
function isPlace(found: unknown): found is KeptPlace {
  if (!isJsonObject(found)) return false;
  const { backend, model, requestedModel } = found;
  return [backend, model, requestedModel].every((name) => typeof name === "string");
}

/** A digest, since ids of principals and of backends are of any length and form. */
function keyOf({ principal }: Context, id: string): string {
  return createHash("sha256")
    .update(JSON.stringify([principal?.id ?? null, id]))
    .digest("hex");
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError("state_unavailable", {
    message: "What backends keep cannot be looked up",
    cause,
  });
}
