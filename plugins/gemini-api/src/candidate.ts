import { callIdOf, compact, isJsonObject, readHubArguments, seal } from "gatewright";
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

/** Parts of the thoughts in a message or a delta. Blocks in a delta hold a text that has come before. */
export function toThoughtParts({ reasoning: text }: HubMessage): JsonObject[] {
  return text === "" ? [] : [{ text, thought: true }];
}

/** The same of a whole message, in which the blocks may be all that there is. */
export function toWholeThoughtParts(said: HubMessage): JsonObject[] {
  if (said.reasoning !== "") return toThoughtParts(said);
  return said.thinkingBlocks.flatMap(({ thinking }) =>
    typeof thinking === "string" && thinking !== "" ? [{ text: thinking, thought: true }] : [],
  );
}

/**
 * Puts what another vendor wants back where Google has its own signatures, on the first call, else at the end of the text
 * (ai.google.dev/gemini-api/docs/thought-signatures). A first call that nobody signed is marked as well: Gemini would
 * refuse it in its own history.
 */
export function addSealed(parts: JsonObject[], blocks: readonly JsonObject[]): void {
  const call = parts.find(({ functionCall }) => functionCall !== undefined);
  if (!call && blocks.length === 0) return;
  const place = call ?? parts.at(-1);
  if (place && place["thought"] !== true && place["thoughtSignature"] === undefined)
    place["thoughtSignature"] = seal(blocks);
  else if (blocks.length > 0) parts.push({ text: "", thoughtSignature: seal(blocks) });
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
  return callIdOf(requestId, `${answer}_${position}`);
}

/** Reports what parts of an answer have no place for. */
export function reportUncarried({ annotations, calls, extra }: HubMessage, info: MappingInfo): void {
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
