import { parseJson, stringifyJson } from "../body/exact-json.ts";
import { isJsonObject } from "../json-object.ts";
import type { JsonObject } from "../operation.ts";

/** A tool call of the hub. In a stream it grows with each piece. */
export interface HubCall {
  /** Its place among the calls of the answer. */
  readonly position: number;
  readonly type: "function" | "custom";
  /** Undefined where the backend gives none. */
  id: string | undefined;
  /** Undefined for as long as none has come. */
  name: string | undefined;
  /** The arguments of a function as JSON text, `""` for none; any text of a custom tool. */
  input: string;
  /** What a vendor wants back with the call, such as a thought's signature. */
  extra: JsonObject | undefined;
}

/** What one delta adds to a call. */
export interface HubCallPiece {
  readonly call: HubCall;
  readonly input: string;
}

/** The calls of a whole message. */
export function readHubCalls(calls: readonly JsonObject[]): HubCall[] {
  return calls.map((call, position) => {
    const { type, id, name, input, extra } = readPiece(call);
    return { position, type: type ?? "function", id, name, input, extra };
  });
}

/**
 * Puts the `tool_calls` of deltas together. By OpenAI's API each has an `index`, and the first of an index `id` and name
 * (https://developers.openai.com/api/reference/resources/chat/subresources/completions). Other servers leave out the index
 * or the id, repeat id and name in each delta, give the name last, make an id for each delta, or give all calls the index
 * 0.
 */
export class HubCallReader {
  readonly calls: HubCall[] = [];
  readonly #byIndex = new Map<number, HubCall>();

  /** The pieces of one delta, each with its call, which has taken it in. */
  read(deltas: readonly JsonObject[]): HubCallPiece[] {
    return deltas.map((delta, at) => {
      const piece = readPiece(delta);
      const index = typeof delta["index"] === "number" ? delta["index"] : undefined;
      // Pieces that say nothing of their call: of the last one, or several by their order.
      const expected = deltas.length > 1 ? this.calls[at] : this.calls.at(-1);
      const call = this.#find(index, piece, expected) ?? this.#open(piece.type ?? "function");
      if (index !== undefined) this.#byIndex.set(index, call);
      call.id ??= piece.id;
      call.name ??= piece.name;
      call.extra ??= piece.extra;
      call.input += piece.input;
      return { call, input: piece.input };
    });
  }

  /** The call that the piece goes on with; undefined for the first piece of one. */
  #find(index: number | undefined, piece: Piece, expected: HubCall | undefined): HubCall | undefined {
    const { id, name } = piece;
    if (index !== undefined && !this.#byIndex.has(index)) {
      // Another call, unless the one that is meant has had no index so far.
      const meant = id !== undefined ? this.#named(id) : expected;
      return meant && !this.#isNumbered(meant) && !beginsAnew(meant, piece) ? meant : undefined;
    }
    const numbered = index === undefined ? undefined : this.#byIndex.get(index);
    if (id !== undefined && id !== numbered?.id) {
      const known = this.#named(id);
      if (known) return beginsAnew(known, piece) ? undefined : known;
      // Another id is another call, which has a name. Without one, the id is the piece's own.
      if (name !== undefined && (!numbered || numbered.id !== undefined)) return undefined;
    }
    const call = numbered ?? expected;
    return call && !beginsAnew(call, piece) ? call : undefined;
  }

  #named(id: string): HubCall | undefined {
    return this.calls.findLast((call) => call.id === id);
  }

  #isNumbered(call: HubCall): boolean {
    return [...this.#byIndex.values()].includes(call);
  }

  #open(type: HubCall["type"]): HubCall {
    const position = this.calls.length;
    const call: HubCall = { position, type, id: undefined, name: undefined, input: "", extra: undefined };
    this.calls.push(call);
    return call;
  }
}

/**
 * A name begins a call, unless it is but repeated. What only repeats the name, or has an id of its own, goes on with the
 * call, unless that is whole: more text would break it.
 */
function beginsAnew(call: HubCall, { id, name, input }: Piece): boolean {
  if (name !== undefined && call.name === undefined) return false;
  if (name !== undefined && name !== call.name) return true;
  const isPlain = name === undefined && id === undefined;
  if (isPlain || (id !== undefined && id === call.id)) return false;
  return call.type === "function" && input.trim() !== "" && isWholeInput(call.input);
}

/** The arguments of a function; undefined for a text that is no JSON object. Blank and `null` mean none. */
export function readHubArguments(input: string): JsonObject | undefined {
  if (input.trim() === "") return {};
  try {
    const value = parseJson(input) ?? {};
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The text is a JSON object: whatever is added but space would break it. */
export function isWholeInput(input: string): boolean {
  // Spares the parser most of what is not.
  if (!input.trimEnd().endsWith("}")) return false;
  try {
    return isJsonObject(JSON.parse(input));
  } catch {
    return false;
  }
}

interface Piece extends Pick<HubCall, "id" | "name" | "input" | "extra"> {
  readonly type: HubCall["type"] | undefined;
}

function readPiece(json: JsonObject): Piece {
  const type = json["type"] === "custom" || isJsonObject(json["custom"]) ? "custom" : undefined;
  const called = json[type ?? "function"];
  const { name, arguments: args, input }: JsonObject = isJsonObject(called) ? called : {};
  return {
    type,
    id: toText(json["id"]),
    name: toText(name),
    input: toInput(type === "custom" ? input : args),
    extra: isJsonObject(json["extra_content"]) ? json["extra_content"] : undefined,
  };
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Some servers give the object itself. */
function toInput(value: unknown): string {
  if (typeof value === "string") return value;
  return isJsonObject(value) ? stringifyJson(value) : "";
}
