import { compact, isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/**
 * Why an answer ended, in Google's words (ai.google.dev/api/generate-content#FinishReason). Calls end with `STOP`;
 * what nobody knows is `OTHER`, which is Google's word for that.
 */
const FINISH_REASONS: Readonly<Record<string, string>> = {
  stop: "STOP",
  length: "MAX_TOKENS",
  tool_calls: "STOP",
  function_call: "STOP",
  content_filter: "SAFETY",
};

/** `refused` tells that the text is a refusal, for which Google has no other word than the filter's. */
export function toFinishReason(reason: unknown, refused: boolean): string {
  if (refused) return "SAFETY";
  return typeof reason === "string" && Object.hasOwn(FINISH_REASONS, reason)
    ? FINISH_REASONS[reason]!
    : "OTHER";
}

/** Parts of the thoughts in a message, signed where their backend signs them. */
export function toThoughtParts(message: JsonObject): JsonObject[] {
  const blocks = thinkingBlocksOf(message);
  if (blocks.length === 0) return toThoughtPart(message);
  return blocks.map(({ thinking, signature }) =>
    compact({ text: thinking, thought: true, thoughtSignature: signature }),
  );
}

/** The same of a delta: a block that closes holds a text that has come before, and brings its signature. */
export function toThoughtDeltaParts(delta: JsonObject): JsonObject[] {
  const signed = thinkingBlocksOf(delta).map(({ signature }) =>
    compact({ text: "", thought: true, thoughtSignature: signature }),
  );
  return [...toThoughtPart(delta), ...signed];
}

function thinkingBlocksOf(message: JsonObject): JsonObject[] {
  return listOf(message["thinking_blocks"]).filter(({ type }) => type === "thinking");
}

function toThoughtPart(message: JsonObject): JsonObject[] {
  const text = message["reasoning_content"] ?? message["reasoning"];
  return typeof text === "string" && text !== "" ? [{ text, thought: true }] : [];
}

/** Parts of the text, or of a refusal, in a message or a delta. */
export function toTextParts(message: JsonObject): JsonObject[] {
  const { content, refusal } = message;
  const signature = signatureOf(message);
  const parts: JsonObject[] = [];
  if (typeof content === "string" && content !== "") parts.push({ text: content });
  if (typeof refusal === "string" && refusal !== "") parts.push({ text: refusal });
  if (signature === undefined) return parts;
  if (parts.length === 0) return [{ text: "", thoughtSignature: signature }];
  parts.at(-1)!["thoughtSignature"] = signature;
  return parts;
}

/** Parts of the pictures in a message or a delta, as some backends add them. */
export function toImageParts(message: JsonObject): JsonObject[] {
  return listOf(message["images"]).flatMap(({ image_url: image }) => {
    const url = isJsonObject(image) ? image["url"] : undefined;
    const [, mimeType, data] = (typeof url === "string" && /^data:([^;,]+);base64,(.*)$/s.exec(url)) || [];
    return mimeType === undefined ? [] : [{ inlineData: { mimeType, data } }];
  });
}

/** A call that came whole. Throws on arguments that are no JSON object: an answer that cannot be told. */
export function toCallPart(call: JsonObject): JsonObject {
  const called = isJsonObject(call["function"]) ? call["function"] : {};
  const { name, arguments: text } = called;
  const args: unknown = typeof text === "string" && text !== "" ? JSON.parse(text) : text || {};
  if (!isJsonObject(args)) throw new TypeError("the arguments of a call are no object");
  return compact({
    functionCall: compact({ id: call["id"], name, args }),
    thoughtSignature: signatureOf(call),
  });
}

/**
 * What a choice says beside its parts: where it took its text from, and how likely its tokens were. `text` is the
 * answer so far, since Google counts bytes of it where OpenAI counts characters.
 */
export function toCandidateExtras(choice: JsonObject, message: JsonObject, text: string): JsonObject {
  const cited = listOf(message["annotations"])
    .map((annotation) => annotation["url_citation"])
    .filter(isJsonObject);
  const { logprobs } = choice;
  const tokens = isJsonObject(logprobs) ? listOf(logprobs["content"]) : [];
  return {
    ...(cited.length > 0 && { groundingMetadata: toGrounding(cited, text) }),
    ...(tokens.length > 0 && {
      avgLogprobs: tokens.reduce((sum, { logprob }) => sum + Number(logprob), 0) / tokens.length,
      logprobsResult: {
        chosenCandidates: tokens.map(toLogprob),
        topCandidates: tokens.map(({ top_logprobs: top }) => ({ candidates: listOf(top).map(toLogprob) })),
      },
    }),
  };
}

/** https://ai.google.dev/api/generate-content#GroundingMetadata: sources, and which piece of the text each supports. */
function toGrounding(cited: readonly JsonObject[], text: string): JsonObject {
  const toByte = (at: unknown): number => Buffer.byteLength(text.slice(0, typeof at === "number" ? at : 0));
  return {
    groundingChunks: cited.map(({ url, title }) => ({ web: compact({ uri: url, title }) })),
    groundingSupports: cited.map(({ start_index: start, end_index: end }, index) => ({
      segment: { startIndex: toByte(start), endIndex: toByte(end) },
      groundingChunkIndices: [index],
    })),
  };
}

function toLogprob({ token, logprob }: JsonObject): JsonObject {
  return { token, logProbability: logprob };
}

function signatureOf(holder: JsonObject): unknown {
  const extra = holder["extra_content"];
  const google = isJsonObject(extra) ? extra["google"] : undefined;
  return isJsonObject(google) ? google["thought_signature"] : undefined;
}

export function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
