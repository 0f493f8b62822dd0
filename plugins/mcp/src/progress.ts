import type { JsonObject } from "gatewright";
import type { RequestId } from "./json-rpc.ts";
import type { Piece } from "./tool.ts";

export interface ProgressOptions {
  /** The client's name for it. */
  readonly token: RequestId;
  readonly everyMs: number;
  /** Monotonic milliseconds. */
  now(): number;
  send(notification: JsonObject): void;
}

/**
 * Tells how an answer comes along, by `notifications/progress`: how many characters there are, and what is new of its
 * text. Held back are pieces that come too soon, never longer than until the next one or the end.
 */
export class Progress {
  readonly #options: ProgressOptions;
  #length = 0;
  #toldLength = 0;
  #text = "";
  #toldAt = -Infinity;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  add({ text, length }: Piece): void {
    this.#length += length;
    this.#text += text;
    if (this.#options.now() - this.#toldAt >= this.#options.everyMs) this.flush();
  }

  /** Tells what was held back. */
  flush(): void {
    // It must grow with each notification (MCP, "Progress").
    if (this.#length === this.#toldLength) return;
    const { token, now, send } = this.#options;
    send({
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: {
        progressToken: token,
        progress: this.#length,
        ...(this.#text !== "" && { message: this.#text }),
      },
    });
    this.#toldLength = this.#length;
    this.#text = "";
    this.#toldAt = now();
  }
}
