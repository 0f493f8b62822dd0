import type { JsonObject } from "gatewright";
import type { AnswerDialect } from "./answer-dialect.ts";

/** What the client has been told of an answer. */
export class Transcript {
  readonly #dialect: AnswerDialect;
  text = "";
  /** Chunks with text, each about a token. */
  pieces = 0;
  /** It is text alone, and so can be gone on with. */
  plain = true;
  /** Members that all chunks of the answer share; of its first chunk. */
  identity: JsonObject | undefined;

  constructor(dialect: AnswerDialect) {
    this.#dialect = dialect;
  }

  add(json: JsonObject): void {
    this.identity ??= this.#dialect.identityOf(json);
    const { text, plain } = this.#dialect.read(json);
    if (!plain) this.plain = false;
    if (text === "") return;
    this.text += text;
    this.pieces++;
  }
}
