import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { JsonObject } from "gatewright";
import { argumentsText as args, text } from "./_arbitrary-requests.ts";

const count = fc.integer({ min: 0, max: 5_000 });

export interface ReplyKinds {
  /** Thoughts come signed by Anthropic. */
  readonly signed?: boolean;
  /** Calls come signed by Google. */
  readonly extra?: boolean;
  /** The stop string may be told. */
  readonly stop?: string;
  /** Anthropic tells what its cache took. */
  readonly cacheWrites?: boolean;
}

/** A whole reply of chat, as adapters make them. */
export function chatReply(kinds: ReplyKinds): Arbitrary<JsonObject> {
  const call = fc.record({
    id: fc.uuid(),
    name: fc.stringMatching(/^[a-z]{2,8}$/),
    args,
    signature: fc.uuid(),
  });
  return fc
    .record({
      content: text,
      thinking: fc.option(text, { nil: undefined }),
      calls: fc.uniqueArray(call, { maxLength: 3, selector: ({ id }) => id }),
      says: fc.boolean(),
      finish: fc.constantFrom("stop", "length", "content_filter"),
      stops: fc.boolean(),
      prompt: count,
      cached: count,
      written: count,
      completion: count,
      reasoning: count,
    })
    .map((given) => {
      const { content, thinking, calls, says, finish, stops, prompt, cached, completion, reasoning } = given;
      const written = kinds.cacheWrites ? given.written : 0;
      const finish_reason = finish === "stop" && calls.length > 0 ? "tool_calls" : finish;
      const blocks = [{ type: "thinking", thinking, signature: "signed" }];
      return {
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [
          {
            index: 0,
            message: {
              role: "assistant",
              content: says || calls.length === 0 ? content : null,
              ...(thinking !== undefined && { reasoning_content: thinking }),
              ...(thinking !== undefined && kinds.signed && { thinking_blocks: blocks }),
              ...(calls.length > 0 && {
                tool_calls: calls.map(({ id, name, args: input, signature }, index) => ({
                  id,
                  type: "function",
                  function: { name, arguments: input },
                  ...(kinds.extra &&
                    index === 0 && { extra_content: { google: { thought_signature: signature } } }),
                })),
              }),
            },
            finish_reason,
            ...(finish_reason === "stop" && stops && kinds.stop !== undefined && { stop_reason: kinds.stop }),
          },
        ],
        usage: {
          prompt_tokens: prompt + cached + written,
          completion_tokens: completion + reasoning,
          total_tokens: prompt + cached + written + completion + reasoning,
          prompt_tokens_details: {
            cached_tokens: cached,
            ...(kinds.cacheWrites && { cache_write_tokens: written }),
          },
          completion_tokens_details: { reasoning_tokens: reasoning },
        },
      };
    });
}

interface Message {
  content: string | null;
  reasoning_content?: string;
  thinking_blocks?: JsonObject[];
  tool_calls?: (JsonObject & { function: { name: string; arguments: string } })[];
}

/**
 * The same reply in chunks, as adapters make them: role, thoughts and their signature, text, calls, the finish, the
 * usage. `cuts` are shares of each text at which it is cut.
 */
export function toChunks(reply: JsonObject, cuts: readonly number[]): JsonObject[] {
  const [{ message, finish_reason, stop_reason }] = reply["choices"] as [
    { message: Message; finish_reason: string; stop_reason?: string },
  ];
  const { content, reasoning_content: thinking, thinking_blocks: blocks, tool_calls: calls = [] } = message;
  const deltas: JsonObject[] = [
    { role: "assistant" },
    ...pieces(thinking ?? "", cuts).map((piece) => ({ reasoning_content: piece })),
    ...(blocks ? [{ thinking_blocks: blocks }] : []),
    ...pieces(content ?? "", cuts).map((piece) => ({ content: piece })),
    ...calls.flatMap(({ function: called, ...rest }, index) => [
      { tool_calls: [{ index, ...rest, function: { name: called.name, arguments: "" } }] },
      ...pieces(called.arguments, cuts).map((piece) => ({
        tool_calls: [{ index, function: { arguments: piece } }],
      })),
    ]),
  ];
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m" };
  const ending = { finish_reason, ...(stop_reason !== undefined && { stop_reason }) };
  return [
    ...deltas.map((delta) => ({ ...head, choices: [{ index: 0, delta, finish_reason: null }] })),
    { ...head, choices: [{ index: 0, delta: {}, ...ending }] },
    { ...head, choices: [], usage: reply["usage"] },
  ];
}

/** Cut between characters, as models write whole ones. */
function pieces(whole: string, cuts: readonly number[]): string[] {
  const characters = [...whole];
  const places = cuts.map((share) => Math.floor(share * characters.length)).toSorted((a, b) => a - b);
  return [0, ...places]
    .map((place, index) => characters.slice(place, places[index] ?? characters.length).join(""))
    .filter((piece) => piece !== "");
}

/** Chunks put together again, as a client of chat does it. */
export function fromChunks(chunks: readonly JsonObject[]): JsonObject {
  const message: Message = { content: null };
  let ending: JsonObject = {};
  let usage: unknown;
  for (const chunk of chunks) {
    usage = chunk["usage"] ?? usage;
    const [choice] = chunk["choices"] as {
      delta: JsonObject;
      finish_reason: unknown;
      stop_reason?: unknown;
    }[];
    if (!choice) continue;
    addDelta(message, choice.delta);
    if (typeof choice.finish_reason === "string")
      ending = {
        finish_reason: choice.finish_reason,
        ...(choice.stop_reason !== undefined && { stop_reason: choice.stop_reason }),
      };
  }
  return { choices: [{ index: 0, message: { role: "assistant", ...message }, ...ending }], usage };
}

function addDelta(message: Message, delta: JsonObject): void {
  const { content, reasoning_content: thinking, thinking_blocks: blocks, tool_calls: calls } = delta;
  if (typeof content === "string") message.content = (message.content ?? "") + content;
  if (typeof thinking === "string") message.reasoning_content = (message.reasoning_content ?? "") + thinking;
  if (Array.isArray(blocks)) (message.thinking_blocks ??= []).push(...(blocks as JsonObject[]));
  for (const { index, function: called, ...rest } of (calls ?? []) as (JsonObject & {
    index: number;
    function: { name?: string; arguments?: string };
  })[]) {
    const list = (message.tool_calls ??= []);
    const call = (list[index] ??= { ...rest, function: { name: called.name!, arguments: "" } });
    call.function.arguments += called.arguments ?? "";
  }
}
