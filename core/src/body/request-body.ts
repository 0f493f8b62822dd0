import type { JsonObject } from "../operation.ts";
import type { JsonView } from "./json-view.ts";

/**
 * The client's body. Immutable: a change makes a new one, and only the changed fields are written anew. As a view it
 * shows single members of a JSON body without parsing the rest; of a multipart body the text fields by name, as far
 * as they came before the first file.
 */
export interface RequestBody extends JsonView {
  readonly kind: "json" | "multipart" | "none";
  /** The body can be sent again: all of it is at hand, in memory or in a spool file. */
  readonly replayable: boolean;
  /** Bytes as they go upstream, when they are at hand. */
  readonly bytes: Uint8Array | undefined;
  /** False where no member at any depth of a JSON body is called so, spelled without escapes. */
  mayHoldKey(name: string): boolean;
  /** False where no text at any depth of a JSON body begins with these ASCII characters, spelled without escapes. */
  mayHoldText(start: string): boolean;
  /** A copy with top-level fields set, or removed by `undefined`. All other bytes stay as they came. */
  with(fields: JsonObject): RequestBody;
}
