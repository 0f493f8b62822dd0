import { GatewayError } from "gatewright";
import type { JsonObject, Logger, State } from "gatewright";
import * as v from "valibot";
import { editIndex, type IndexArgs } from "./id-index.ts";
import type { Kind } from "./operations.ts";
import type { FilesOptions } from "./options.ts";

/** Where a file or batch is kept, and what its backend last said of it. */
const Place = v.object({
  backend: v.string(),
  object: v.custom<JsonObject>((value) => typeof value === "object" && value !== null),
});
export type Place = v.InferOutput<typeof Place>;

/** Which backend has which file and batch, for each owner apart. */
export class Places {
  readonly #state: State;
  readonly #options: FilesOptions;
  readonly #log: Logger;

  constructor(state: State, options: FilesOptions, log: Logger) {
    this.#state = state;
    this.#options = options;
    this.#log = log;
  }

  /** Undefined for what is unknown, and for what is another owner's. */
  async find(owner: string, kind: Kind, id: string): Promise<Place | undefined> {
    try {
      const { success, output } = v.safeParse(Place, await this.#state.get(keyOf(owner, kind, id)));
      return success ? output : undefined;
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  /** Never rejects: what the backend did is done, and is told to the client. */
  async put(owner: string, kind: Kind, id: string, place: Place): Promise<void> {
    try {
      await this.#state.set(keyOf(owner, kind, id), place, { ttlMs: this.#options.ttlMs });
      await this.#edit(owner, kind, "add", id);
    } catch (error) {
      this.#log.warn(`the place of a ${kind} could not be stored`, { error: String(error) });
    }
  }

  async remove(owner: string, kind: Kind, id: string): Promise<void> {
    try {
      await this.#edit(owner, kind, "remove", id);
      await this.#state.remove(keyOf(owner, kind, id));
    } catch (error) {
      this.#log.warn(`the place of a ${kind} could not be removed`, { error: String(error) });
    }
  }

  /** The latest first. */
  async ids(owner: string, kind: Kind): Promise<readonly string[]> {
    try {
      return await this.#edit(owner, kind, "read", "");
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  #edit(owner: string, kind: Kind, action: IndexArgs[0], id: string): string[] | Promise<string[]> {
    const { maxListed, ttlMs } = this.#options;
    return this.#state.run(editIndex, [`index:${kind}:${owner}`], [action, id, maxListed, ttlMs]);
  }
}

function keyOf(owner: string, kind: Kind, id: string): string {
  return `${kind}:${owner}:${id}`;
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError("state_unavailable", {
    message: "The places of files and batches cannot be looked up",
    cause,
  });
}
