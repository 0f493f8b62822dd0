import { isJsonObject, OutageLog } from "gatewright";
import type { Context, GatewayHost } from "gatewright";
import type { CacheOptions, SemanticOptions } from "./options.ts";
import { splitPrompt } from "./prompt-text.ts";
import { requestKey } from "./request-key.ts";
import { toUnitVector, VectorIndex } from "./vector-index.ts";
import type { Neighbour } from "./vector-index.ts";

/** A request's last text as a point among those of its like. */
export interface Place {
  readonly scope: string;
  readonly vector: Float32Array;
}

/** Finds requests that mean nearly the same, by embeddings from a backend of this gateway. */
export class SemanticLookup {
  readonly #options: CacheOptions;
  readonly #semantic: SemanticOptions;
  readonly #gateway: GatewayHost;
  readonly #index: VectorIndex;
  readonly #outage: OutageLog;

  constructor(options: CacheOptions, semantic: SemanticOptions, gateway: GatewayHost) {
    this.#options = options;
    this.#semantic = semantic;
    this.#gateway = gateway;
    this.#index = new VectorIndex(semantic.maxVectors);
    this.#outage = new OutageLog(gateway, {
      failed: "the cache does without embeddings",
      answered: "the cache has embeddings again",
    });
  }

  /** Undefined where the request is not to be compared, or the embedding cannot be had. Throws when the request is over. */
  async locate(ctx: Context): Promise<Place | undefined> {
    const prompt = splitPrompt(ctx.operation.name, ctx.body, this.#semantic);
    if (!prompt) return undefined;
    const vector = await this.#embed(prompt.text, ctx);
    return vector && { scope: requestKey(ctx, this.#options, prompt.rest), vector };
  }

  nearest({ scope, vector }: Place): Neighbour | undefined {
    return this.#index.nearest(scope, vector, this.#semantic.threshold);
  }

  /** The answer under this key can be had. */
  add(key: string, { scope, vector }: Place): void {
    this.#index.add(key, scope, vector);
  }

  touch(key: string): void {
    this.#index.touch(key);
  }

  /** The answer under this key is gone. */
  remove(key: string): void {
    this.#index.remove(key);
  }

  async #embed(input: string, ctx: Context): Promise<Float32Array | undefined> {
    const { model, timeoutMs } = this.#semantic;
    try {
      const reply = await this.#gateway.call({
        operation: "embeddings",
        model,
        body: { input, encoding_format: "float" },
        signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(timeoutMs)]),
      });
      const [item] = Array.isArray(reply["data"]) ? (reply["data"] as unknown[]) : [];
      const vector = toUnitVector(isJsonObject(item) ? item["embedding"] : undefined);
      if (!vector) throw new TypeError("the reply holds no vector");
      this.#outage.answered();
      return vector;
    } catch (error) {
      ctx.signal.throwIfAborted();
      this.#outage.failed(error);
      return undefined;
    }
  }
}
