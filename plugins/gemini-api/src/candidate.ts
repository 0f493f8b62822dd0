import { compact, isJsonObject, readHubArguments } from "gatewright";
import type { HubCall, HubMessage, JsonObject, MappingInfo } from "gatewright";

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
export function toThoughtParts(said: HubMessage): JsonObject[] {
  const blocks = openBlocksOf(said);
  if (blocks.length === 0) return toThoughtPart(said);
  return blocks.map(({ thinking, signature }) =>
    compact({ text: thinking, thought: true, thoughtSignature: signature }),
  );
}

/** The same of a delta: a block that closes holds a text that has come before, and brings its signature. */
export function toThoughtDeltaParts(said: HubMessage): JsonObject[] {
  const signed = openBlocksOf(said).map(({ signature }) =>
    compact({ text: "", thought: true, thoughtSignature: signature }),
  );
  return [...toThoughtPart(said), ...signed];
}

function openBlocksOf({ thinkingBlocks }: HubMessage): JsonObject[] {
  return thinkingBlocks.filter(({ type }) => type === "thinking");
}

function toThoughtPart({ reasoning: text }: HubMessage): JsonObject[] {
  return text === "" ? [] : [{ text, thought: true }];
}

/** Parts of the text, or of a refusal, in a message or a delta. */
export function toTextParts({ text, refusal, extra }: HubMessage): JsonObject[] {
  const signature = signatureOf(extra);
  const parts: JsonObject[] = [text, refusal].filter((each) => each !== "").map((each) => ({ text: each }));
  if (signature === undefined) return parts;
  if (parts.length === 0) return [{ text: "", thoughtSignature: signature }];
  parts.at(-1)!["thoughtSignature"] = signature;
  return parts;
}

/** Parts of the pictures in a message or a delta. Of those that are elsewhere nobody tells the type. */
export function toImageParts({ images }: HubMessage, info: MappingInfo): JsonObject[] {
  return images.flatMap((url) => {
    const [, mimeType, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
    if (mimeType !== undefined) return [{ inlineData: { mimeType, data } }];
    info.report("images");
    return [];
  });
}

/**
 * Calls that came whole. The last one of an answer that was cut may not be: it is left out then. Throws on another whose
 * arguments are no JSON object, which cannot be told.
 */
export function toCallParts(
  calls: readonly HubCall[],
  { cut, answer }: { cut: boolean; answer: number },
  info: MappingInfo,
): JsonObject[] {
  return calls.flatMap((call): JsonObject[] => {
    const { input, extra, position, name, id = toCallId(info, answer, position) } = call;
    const args = readHubArguments(input);
    if (args === undefined && cut && call === calls.at(-1)) {
      info.report("tool_calls");
      return [];
    }
    if (args === undefined || name === undefined)
      throw new TypeError("the answer has a call that cannot be read");
    return [compact({ functionCall: { id, name, args }, thoughtSignature: signatureOf(extra) })];
  });
}

/** For a call to which the backend gave no id; stable within the reply. */
function toCallId({ requestId }: MappingInfo, answer: number, position: number): string {
  return `call_${requestId.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24)}_${answer}_${position}`;
}

/** Reports what parts of an answer have no place for. */
export function reportUncarried(
  { thinkingBlocks, annotations, calls, extra }: HubMessage,
  info: MappingInfo,
): void {
  if (thinkingBlocks.some(({ type }) => type !== "thinking")) info.report("thinking_blocks");
  if (annotations.some(({ url_citation: cited }) => !isJsonObject(cited))) info.report("annotations");
  if (extra && signatureOf(extra) === undefined) info.report("extra_content");
  if (calls.some(({ extra_content: own }) => isJsonObject(own) && signatureOf(own) === undefined))
    info.report("tool_calls[].extra_content");
}

/**
 * What a choice says beside its parts: where it took its text from, and how likely its tokens were. `text` is the
 * answer so far, since Google counts bytes of it where OpenAI counts characters.
 */
export function toCandidateExtras(
  { logprobs }: JsonObject,
  { annotations }: HubMessage,
  text: string,
): JsonObject {
  const cited = annotations.map((annotation) => annotation["url_citation"]).filter(isJsonObject);
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

function signatureOf(extra: JsonObject | undefined): unknown {
  const google = extra?.["google"];
  return isJsonObject(google) ? google["thought_signature"] : undefined;
}

export function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
