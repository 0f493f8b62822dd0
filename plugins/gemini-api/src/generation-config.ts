import { compact, drop, effortOfBudget, forward, is, isEmpty, nearestEffort, refuse } from "gatewright";
import { REASONING_EFFORTS, report, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject, ReasoningEffort, RequestMapping } from "gatewright";
import { toJsonSchema } from "./json-schema.ts";
import { readKnown, readMessage } from "./google-json.ts";

/** Fates of the members of `generationConfig`. */
export const generationFields: FieldTable = {
  temperature: forward("the same elsewhere"),
  seed: forward("the same elsewhere"),
  topP: translate("`top_p`"),
  topK: translate("`top_k` for servers that take it, else left out and reported"),
  candidateCount: translate("`n`", is(1)),
  maxOutputTokens: translate("`max_completion_tokens`"),
  stopSequences: translate("`stop`", isEmpty),
  presencePenalty: translate("`presence_penalty`"),
  frequencyPenalty: translate("`frequency_penalty`"),
  responseMimeType: translate("`response_format`", is("text/plain")),
  responseSchema: translate("the schema of `response_format`, as JSON Schema"),
  responseJsonSchema: translate("the schema of `response_format`"),
  responseLogprobs: translate("`logprobs`", is(false)),
  logprobs: translate("`top_logprobs`"),
  thinkingConfig: translate("`reasoning_effort`", isEmpty),
  responseModalities: refuse("others answer in text", isTextAlone),
  responseFormat: refuse("use `responseMimeType` and `responseJsonSchema`", isEmpty),
  translationConfig: refuse("others do not translate speech"),
  speechConfig: drop("others answer in text", isEmpty),
  imageConfig: drop("others answer in text", isEmpty),
  audioTranscriptionConfig: drop("others answer in text", isEmpty),
  mediaResolution: drop("chooses between tokens and detail", is("MEDIA_RESOLUTION_UNSPECIFIED")),
  enableEnhancedCivicAnswers: drop("a filter of Google's", is(false)),
  enableAffectiveDialog: drop("for speech", is(false)),
  audioTimestamp: drop("for audio that Google reads", is(false)),
  routingConfig: drop("chooses between models of Google's"),
  modelSelectionConfig: drop("chooses between models of Google's"),
};

/** Fates of the members of `thinkingConfig`. */
export const thinkingFields: FieldTable = {
  includeThoughts: translate("whether reasoning is shown to the client"),
  thinkingLevel: translate("the effort of that name", is("THINKING_LEVEL_UNSPECIFIED")),
  thinkingBudget: translate(
    "an effort by its size: 0 is `none`, under 4,096 `low`, under 16,384 `medium`",
    is(-1),
  ),
};

/** What the backend takes of the settings. */
interface Backend extends RequestMapping {
  readonly efforts: readonly ReasoningEffort[];
}

/** `generationConfig` as fields of OpenAI's chat. Members that nobody knows go along as they are. */
export function toChatSettings(config: unknown, { dropped, takes, efforts }: Backend): JsonObject {
  const at = "generationConfig";
  const { forwarded, translated } = readMessage(config, generationFields, dropped, at);
  const { topK } = translated;
  if (topK !== undefined && !takes("top_k")) report(dropped, `${at}.topK`);
  return compact({
    ...forwarded,
    top_p: translated["topP"],
    top_k: takes("top_k") ? topK : undefined,
    n: translated["candidateCount"],
    max_completion_tokens: translated["maxOutputTokens"],
    stop: translated["stopSequences"],
    presence_penalty: translated["presencePenalty"],
    frequency_penalty: translated["frequencyPenalty"],
    logprobs: translated["responseLogprobs"],
    top_logprobs: translated["logprobs"],
    response_format: toResponseFormat(translated, at),
    reasoning_effort: toEffort(translated["thinkingConfig"], efforts, dropped),
  });
}

function toResponseFormat(translated: JsonObject, at: string): JsonObject | undefined {
  const { responseMimeType: type, responseSchema, responseJsonSchema } = translated;
  const schema = responseJsonSchema ?? toJsonSchema(responseSchema);
  if (type !== undefined && type !== "application/json")
    throw new UnsupportedField(
      `${at}.responseMimeType`,
      `\`${at}.responseMimeType\`: only \`text/plain\` and \`application/json\` can be carried`,
    );
  if (schema !== undefined) return { type: "json_schema", json_schema: { name: "output", schema } };
  return type === undefined ? undefined : { type: "json_object" };
}

/** The nearest effort that the model takes. Reports what is left out or comes out otherwise. */
function toEffort(
  config: unknown,
  efforts: readonly ReasoningEffort[],
  dropped: Set<string>,
): ReasoningEffort | undefined {
  if (config === undefined) return undefined;
  const at = "generationConfig.thinkingConfig";
  const { thinkingLevel: level, thinkingBudget: budget } = readKnown(config, thinkingFields, dropped, at);
  if (level === undefined && budget === undefined) return undefined;
  const wanted = typeof level === "string" ? effortOfLevel(level) : effortOf(budget);
  const given = wanted && nearestEffort(wanted, efforts);
  if (!given?.exact) report(dropped, `${at}.${level === undefined ? "thinkingBudget" : "thinkingLevel"}`);
  return given?.effort;
}

function effortOfLevel(level: string): ReasoningEffort | undefined {
  return REASONING_EFFORTS.find((effort) => effort === level.toLowerCase());
}

function effortOf(budget: unknown): ReasoningEffort | undefined {
  return typeof budget === "number" ? effortOfBudget(budget) : undefined;
}

function isTextAlone(modalities: unknown): boolean {
  return Array.isArray(modalities) && modalities.every(is("TEXT", "MODALITY_UNSPECIFIED"));
}
