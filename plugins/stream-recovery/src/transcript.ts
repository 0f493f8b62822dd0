import type { JsonObject } from "gatewright";
import { identityOf, readChunk } from "./chat-chunk.ts";

/** What the client has been told of an answer. */
export class Transcript {
  text = "";
  /** Chunks with text, each about a token. */
  pieces = 0;
  /** It is text alone, and so can be gone on with. */
  plain = true;
  /** Members that all chunks of the answer share; of its first chunk. */
  identity: JsonObject | undefined;

  add(json: JsonObject): void {
    this.identity ??= identityOf(json);
    const { text, plain } = readChunk(json);
    if (!plain) this.plain = false;
    if (text === "") return;
    this.text += text;
    this.pieces++;
  }
}
