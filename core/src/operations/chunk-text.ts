import { stringifyJson } from "../body/exact-json.ts";
import type { JsonObject } from "../operation.ts";

/**
 * The JSON text of chat chunks, one stream's after another's: what `stringifyJson` makes of them. What all chunks of a
 * stream have in common is made once, which leaves the delta: for a stream of words half of the time is saved.
 */
export function createChunkText(): (chunk: JsonObject) => string {
  let last: Head | undefined;
  return (chunk) => {
    if (!isPlain(chunk)) return stringifyJson(chunk);
    if (!last || !hasHead(chunk, last)) last = toHead(chunk);
    return `${last.text}${stringifyJson(chunk.choices[0].delta)},"finish_reason":null}]}`;
  };
}

interface PlainChunk {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: readonly [{ index: number; delta: unknown; finish_reason: null }];
}

/** What chunks have in common, and the text of a chunk up to its delta. */
interface Head {
  id: string;
  object: string;
  created: number;
  model: string;
  index: number;
  text: string;
}

/** A chunk of one choice that has not ended, with just these members in just this order. */
function isPlain(chunk: JsonObject): chunk is JsonObject & PlainChunk {
  const { id, object, created, model, choices } = chunk;
  if (typeof id !== "string" || typeof object !== "string" || typeof model !== "string") return false;
  if (!Number.isInteger(created) || !Array.isArray(choices) || choices.length !== 1) return false;
  const choice: unknown = choices[0];
  if (typeof choice !== "object" || choice === null) return false;
  const { index, delta, finish_reason: finish } = choice as JsonObject;
  if (!Number.isInteger(index) || typeof delta !== "object" || finish !== null) return false;
  return hasNames(chunk, CHUNK_NAMES) && hasNames(choice, CHOICE_NAMES);
}

const CHUNK_NAMES = ["id", "object", "created", "model", "choices"];
const CHOICE_NAMES = ["index", "delta", "finish_reason"];

function hasNames(object: object, names: readonly string[]): boolean {
  let count = 0;
  for (const name in object) if (name !== names[count++]) return false;
  return count === names.length;
}

function hasHead({ id, object, created, model, choices }: PlainChunk, head: Head): boolean {
  return (
    id === head.id &&
    model === head.model &&
    created === head.created &&
    object === head.object &&
    choices[0].index === head.index
  );
}

function toHead({ id, object, created, model, choices }: PlainChunk): Head {
  const { index } = choices[0];
  const head = stringifyJson({ id, object, created, model });
  const text = `${head.slice(0, -1)},"choices":[{"index":${JSON.stringify(index)},"delta":`;
  return { id, object, created, model, index, text };
}
