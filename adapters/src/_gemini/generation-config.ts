import { isJsonObject, report, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";
import { otherFormat } from "../_response-format.ts";
import { isBeforeGemini3 } from "./model-path.ts";
import type { GeminiSettings } from "./options.ts";

/** Request fields that become members of `generationConfig`, in order of precedence. */
export const PARAMETERS: readonly (readonly [field: string, parameter: string])[] = [
  ["max_completion_tokens", "maxOutputTokens"],
  ["max_tokens", "maxOutputTokens"],
  ["temperature", "temperature"],
  ["top_p", "topP"],
  ["top_k", "topK"],
  ["n", "candidateCount"],
  ["stop", "stopSequences"],
  ["seed", "seed"],
  ["presence_penalty", "presencePenalty"],
  ["frequency_penalty", "frequencyPenalty"],
  ["logprobs", "responseLogprobs"],
  ["top_logprobs", "logprobs"],
];

/** What Google's OpenAI surface makes of efforts for models with a budget: https://ai.google.dev/gemini-api/docs/openai. */
const BUDGETS: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  ["none", 0],
  // Gemini 2.5 Pro cannot stop thinking.
  ["least", 128],
  ["minimal", 1_024],
  ["low", 1_024],
  ["medium", 8_192],
  ["high", 24_576],
]);
const LEVELS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ["minimal", "MINIMAL"],
  ["low", "LOW"],
  ["medium", "MEDIUM"],
  ["high", "HIGH"],
]);

export interface ConfigScope {
  readonly model: string;
  readonly settings: GeminiSettings;
  readonly dropped: Set<string>;
}

/** The fields, then the client's own `generationConfig`, which wins; a field that lost is reported. */
export function toGenerationConfig(fields: JsonObject, scope: ConfigScope): JsonObject | undefined {
  const given = fields["generationConfig"] ?? {};
  if (!isJsonObject(given)) throw wrongShape("generationConfig", "an object", given);
  const config: JsonObject = { ...given };
  const set = (field: string, parameter: string, value: unknown): void => {
    if (value === undefined) return;
    if (!Object.hasOwn(config, parameter)) config[parameter] = value;
    else if (config[parameter] !== value) report(scope.dropped, field);
  };
  for (const [field, parameter] of PARAMETERS) {
    const value = fields[field];
    set(field, parameter, field === "stop" && typeof value === "string" ? [value] : value);
  }
  const format = toFormat(fields["response_format"], scope.dropped);
  set("response_format", "responseMimeType", format.mimeType);
  set("response_format", "responseJsonSchema", format.schema);
  setThinking(config, fields, scope);
  return Object.keys(config).length > 0 ? config : undefined;
}

function toFormat(format: unknown, dropped: Set<string>): { mimeType?: string; schema?: unknown } {
  if (format === undefined) return {};
  if (isJsonObject(format)) {
    const { type, json_schema: named } = format;
    if (type === "text") return {};
    if (type === "json_object") return { mimeType: "application/json" };
    if (type === "json_schema" && isJsonObject(named)) {
      if (named["description"]) report(dropped, "response_format.json_schema.description");
      return { mimeType: "application/json", schema: named["schema"] ?? undefined };
    }
  }
  throw otherFormat("text, or JSON with or without a schema, for Gemini", format);
}

/** `thinkingConfig` of the body, of `extra_body.google` as Google's OpenAI surface takes it, or of the effort. */
function setThinking(config: JsonObject, fields: JsonObject, scope: ConfigScope): void {
  const { settings, dropped } = scope;
  const effort = fields["reasoning_effort"];
  const extra = toOwnThinking(fields["thinkingConfig"]);
  const own = config["thinkingConfig"] ?? extra;
  if (own !== undefined) {
    config["thinkingConfig"] = own;
    if (extra !== undefined && own !== extra) report(dropped, "extra_body.google.thinking_config");
    if (effort !== undefined) report(dropped, "reasoning_effort");
    return;
  }
  const thinking = effort === undefined ? {} : toThinking(effort, scope);
  const include = settings.includeThoughts ?? (effort !== undefined && effort !== "none");
  if (include) thinking["includeThoughts"] = true;
  if (Object.keys(thinking).length > 0) config["thinkingConfig"] = thinking;
}

/** Members under the names of Google's SDKs are Gemini's own in snake case. */
function toOwnThinking(thinking: unknown): JsonObject | undefined {
  if (!isJsonObject(thinking)) return undefined;
  return Object.fromEntries(
    Object.entries(thinking).map(([name, value]) => [
      name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}

/**
 * A level, or for older models a budget. What a model does not have becomes the nearest that it has, reported: see
 * https://ai.google.dev/gemini-api/docs/thinking.
 */
function toThinking(effort: unknown, { model, dropped }: ConfigScope): JsonObject {
  const older = isBeforeGemini3(model);
  const nearest = toNearestEffort(effort, older, /-pro\b/.test(model));
  if (nearest !== effort) report(dropped, "reasoning_effort");
  const thinking = older ? { thinkingBudget: BUDGETS.get(nearest) } : { thinkingLevel: LEVELS.get(nearest) };
  if (Object.values(thinking)[0] !== undefined) return thinking;
  throw new UnsupportedField("reasoning_effort", "`reasoning_effort`: Gemini has no such level");
}

function toNearestEffort(effort: unknown, older: boolean, pro: boolean): unknown {
  if (effort === "xhigh" || effort === "max") return "high";
  if (effort === "none" && older) return pro ? "least" : "none";
  // Thinking cannot be switched off any more, and the larger models begin at LOW.
  if (effort === "none" || effort === "minimal") return pro && !older ? "low" : "minimal";
  return effort;
}
