import { asObject, asObjects, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import { readContents, readInstruction, type Content } from "./contents.ts";
import { refuseOthers, wrong } from "./fields.ts";

const FIELDS = [
  "contents",
  "systemInstruction",
  "tools",
  "toolConfig",
  "safetySettings",
  "generationConfig",
  "cachedContent",
  "labels",
  "serviceTier",
  "store",
];
const GENERATION_FIELDS = [
  "temperature",
  "topP",
  "topK",
  "candidateCount",
  "maxOutputTokens",
  "stopSequences",
  "seed",
  "presencePenalty",
  "frequencyPenalty",
  "responseMimeType",
  "responseSchema",
  "responseJsonSchema",
  "responseLogprobs",
  "logprobs",
  "responseModalities",
  "speechConfig",
  "thinkingConfig",
  "mediaResolution",
  "imageConfig",
];
const OWN_TOOLS = ["googleSearch", "codeExecution", "urlContext", "googleMaps", "fileSearch", "computerUse"];
const DECLARATION_FIELDS = [
  "name",
  "description",
  "behavior",
  "parameters",
  "parametersJsonSchema",
  "response",
  "responseJsonSchema",
];
const MODES = new Set<unknown>(["AUTO", "ANY", "NONE", "VALIDATED"]);
const LEVELS = new Set<unknown>(["MINIMAL", "LOW", "MEDIUM", "HIGH"]);
const MAX_STOPS = 5;
const MAX_CANDIDATES = 8;

/** A request that Google would take. */
export interface CheckedRequest {
  readonly contents: Content[];
  readonly instruction: string;
}

/** https://ai.google.dev/api/generate-content. @throws Refusal for any other. */
export function checkRequest(body: JsonObject, model: string): CheckedRequest {
  refuseOthers(body, FIELDS, "");
  const instruction = readInstruction(body.systemInstruction);
  const contents = readContents(body.contents, model);
  checkTools(body.tools, asObject(body.toolConfig));
  checkGeneration(asObject(body.generationConfig));
  return { contents, instruction };
}

function checkTools(tools: unknown, { functionCallingConfig, ...rest }: JsonObject): void {
  refuseOthers(rest, ["retrievalConfig"], "toolConfig");
  const names = asObjects(tools).flatMap((tool, index) => checkTool(tool, `tools[${index}]`));
  if (new Set(names).size < names.length) throw wrong("tools", "Duplicate function declaration found");
  if (functionCallingConfig === undefined) return;
  const { mode = "AUTO", allowedFunctionNames: allowed, ...others } = asObject(functionCallingConfig);
  refuseOthers(others, [], "toolConfig.functionCallingConfig");
  const at = "toolConfig.functionCallingConfig";
  if (!MODES.has(mode)) throw new Refusal(400, `Invalid value at '${at}.mode'`);
  if (names.length === 0) throw wrong(at, "Function calling config is set without function_declarations.");
  if (allowed === undefined) return;
  if (mode !== "ANY" && mode !== "VALIDATED")
    throw wrong(`${at}.allowedFunctionNames`, "can only be set when mode is ANY or VALIDATED");
  for (const name of allowed as string[]) {
    if (!names.includes(name)) throw wrong(`${at}.allowedFunctionNames`, `'${name}' is not declared`);
  }
}

/** @returns the names of the functions. */
function checkTool(tool: JsonObject, at: string): string[] {
  const { functionDeclarations: declarations, ...own } = tool;
  refuseOthers(own, OWN_TOOLS, at);
  return asObjects(declarations).map((declaration, index) => {
    const place = `${at}.functionDeclarations[${index}]`;
    refuseOthers(declaration, DECLARATION_FIELDS, place);
    const name = asText(declaration.name) ?? "";
    if (!/^[a-zA-Z_][\w.:-]{0,127}$/.test(name))
      throw wrong(`${place}.name`, "Invalid function name. Must start with a letter or an underscore.");
    if (declaration.parameters !== undefined && declaration.parametersJsonSchema !== undefined)
      throw wrong(place, "parameters and parameters_json_schema are mutually exclusive.");
    return name;
  });
}

function checkGeneration(config: JsonObject): void {
  const at = "generationConfig";
  refuseOthers(config, GENERATION_FIELDS, at);
  const within = (name: string, least: number, most: number): void => {
    const value = config[name];
    if (value === undefined || (typeof value === "number" && value >= least && value <= most)) return;
    throw wrong(`${at}.${name}`, `must be in the range [${least}, ${most}]`);
  };
  within("temperature", 0, 2);
  within("topP", 0, 1);
  within("candidateCount", 1, MAX_CANDIDATES);
  within("maxOutputTokens", 1, 65_536);
  within("presencePenalty", -2, 2);
  within("frequencyPenalty", -2, 2);
  const {
    stopSequences: stops,
    responseMimeType: type,
    responseSchema,
    responseJsonSchema,
    logprobs,
  } = config;
  if (stops !== undefined && (!Array.isArray(stops) || stops.length > MAX_STOPS))
    throw wrong(`${at}.stopSequences`, `at most ${MAX_STOPS} stop sequences`);
  const hasSchema = responseSchema !== undefined || responseJsonSchema !== undefined;
  if (hasSchema && type !== "application/json" && type !== "text/x.enum")
    throw wrong(`${at}.response_schema`, "only allowed when response_mime_type is application/json");
  if (responseSchema !== undefined && responseJsonSchema !== undefined)
    throw wrong(at, "response_schema and response_json_schema are mutually exclusive");
  if (logprobs !== undefined && config.responseLogprobs !== true)
    throw wrong(`${at}.logprobs`, "can only be set when response_logprobs is true");
  checkThinking(config.thinkingConfig);
}

/** https://ai.google.dev/gemini-api/docs/thinking. */
function checkThinking(config: unknown): void {
  if (config === undefined) return;
  if (!isObject(config)) throw new Refusal(400, "Invalid value at 'generationConfig.thinkingConfig'");
  refuseOthers(
    config,
    ["includeThoughts", "thinkingBudget", "thinkingLevel"],
    "generationConfig.thinkingConfig",
  );
  const { thinkingBudget: budget, thinkingLevel: level } = config;
  if (budget !== undefined && level !== undefined)
    throw new Refusal(400, "You can only set only one of thinking budget and thinking level.");
  if (level !== undefined && !LEVELS.has(level))
    throw new Refusal(400, "Invalid value at 'generationConfig.thinkingConfig.thinkingLevel'");
  if (budget !== undefined && (!Number.isInteger(budget) || (budget as number) < -1))
    throw new Refusal(400, "Invalid value at 'generationConfig.thinkingConfig.thinkingBudget'");
}
