import { asNumber, asObject, asObjects, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import { checkText, readTurns, refuseOthers, type Turn } from "./blocks.ts";

const FIELDS = [
  "model",
  "max_tokens",
  "messages",
  "system",
  "stop_sequences",
  "stream",
  "metadata",
  "service_tier",
  "temperature",
  "top_p",
  "top_k",
  "thinking",
  "output_config",
  "tools",
  "tool_choice",
  "cache_control",
  "container",
  "inference_geo",
];
const TOOL_FIELDS = [
  "type",
  "name",
  "description",
  "input_schema",
  "strict",
  "cache_control",
  "defer_loading",
  "eager_input_streaming",
  "input_examples",
  "allowed_callers",
];
const EFFORTS = ["low", "medium", "high", "xhigh", "max"];
/** Least of `budget_tokens`. */
const MIN_BUDGET = 1024;

/**
 * The turns of a request that Anthropic would take. Sources: https://platform.claude.com/docs/en/api/messages/create
 * and https://platform.claude.com/docs/en/build-with-claude/thinking. @throws Refusal for any other.
 */
export function checkRequest(body: JsonObject, version: string, { counts }: { counts: boolean }): Turn[] {
  refuseOthers(body, FIELDS, "");
  if (!counts) checkMaxTokens(body.max_tokens);
  const turns = readTurns(body.messages);
  checkSystem(body.system);
  const names = checkTools(body.tools);
  const forced = checkToolChoice(body.tool_choice, names);
  const thinks = checkThinking(body, turns, forced);
  checkSampling(body, version, thinks);
  checkOutput(body.output_config);
  checkTexts(body);
  return turns;
}

function checkMaxTokens(value: unknown): void {
  if (value === undefined) throw new Refusal(400, "max_tokens: Field required");
  if (!Number.isInteger(value) || (value as number) < 1)
    throw new Refusal(400, "max_tokens: Input should be a whole number greater than or equal to 1");
}

function checkSystem(system: unknown): void {
  if (system === undefined || typeof system === "string") return;
  if (!Array.isArray(system)) throw new Refusal(400, "system: Input should be a valid string or list");
  for (const [index, block] of system.entries()) {
    const { type, text, ...rest } = asObject(block);
    if (type !== "text") throw new Refusal(400, `system.${index}.type: Input should be 'text'`);
    refuseOthers(rest, ["cache_control", "citations"], `system.${index}`);
    checkText(text, `system.${index}`);
  }
}

function checkTools(tools: unknown): Set<string> {
  const names = new Set<string>();
  if (tools === undefined) return names;
  if (!Array.isArray(tools)) throw new Refusal(400, "tools: Input should be a valid list");
  for (const [index, tool] of asObjects(tools).entries()) {
    const at = `tools.${index}.custom`;
    if (tool.type !== undefined && tool.type !== "custom") continue;
    refuseOthers(tool, TOOL_FIELDS, at);
    const name = asText(tool.name) ?? "";
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name))
      throw new Refusal(400, `${at}.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    if (names.has(name)) throw new Refusal(400, "tools: Tool names must be unique.");
    names.add(name);
    if (asObject(tool.input_schema).type !== "object")
      throw new Refusal(400, `${at}.input_schema.type: Input should be 'object'`);
  }
  return names;
}

/** @returns whether the model must call a tool. */
function checkToolChoice(choice: unknown, names: ReadonlySet<string>): boolean {
  if (choice === undefined) return false;
  const { type, name, disable_parallel_tool_use: single, ...rest } = asObject(choice);
  refuseOthers(rest, [], "tool_choice");
  if (!["auto", "any", "tool", "none"].includes(asText(type) ?? ""))
    throw new Refusal(400, "tool_choice: Input tag does not match any of the expected tags");
  if (type === "none" && single !== undefined)
    throw new Refusal(400, "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted");
  if (names.size === 0) throw new Refusal(400, "tool_choice: may only be specified while providing tools");
  if (type === "tool" && !names.has(asText(name) ?? ""))
    throw new Refusal(400, `tool_choice.tool.name: Tool '${String(name)}' not found in provided tools`);
  return type === "any" || type === "tool";
}

/** @returns whether the model is asked to think. */
function checkThinking(
  { thinking, max_tokens }: JsonObject,
  turns: readonly Turn[],
  forced: boolean,
): boolean {
  if (thinking === undefined) return false;
  const { type, budget_tokens: budget, display, ...rest } = asObject(thinking);
  refuseOthers(rest, [], "thinking");
  if (display !== undefined && display !== "summarized" && display !== "omitted")
    throw new Refusal(400, "thinking.display: Input should be 'summarized' or 'omitted'");
  if (type === "disabled") return false;
  if (type !== "enabled" && type !== "adaptive")
    throw new Refusal(400, "thinking: Input tag does not match any of the expected tags");
  if (forced) throw new Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.");
  if (type === "adaptive") return true;
  if (!Number.isInteger(budget) || (budget as number) < MIN_BUDGET)
    throw new Refusal(
      400,
      `thinking.enabled.budget_tokens: Input should be greater than or equal to ${MIN_BUDGET}`,
    );
  if (typeof max_tokens === "number" && (budget as number) >= max_tokens)
    throw new Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.");
  // A run of calls goes on as it began.
  const answers = turns.at(-1)!.blocks[0]?.type === "tool_result";
  const began = turns.at(-2)?.blocks[0]?.type;
  if (answers && began !== "thinking" && began !== "redacted_thinking")
    throw new Refusal(
      400,
      `messages.${turns.length - 2}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${String(began)}\`. ` +
        "When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
    );
  return true;
}

function checkSampling({ temperature, top_p, top_k }: JsonObject, version: string, thinks: boolean): void {
  for (const [name, value] of Object.entries({ temperature, top_p, top_k })) {
    if (value === undefined) continue;
    if (typeof value !== "number") throw new Refusal(400, `${name}: Input should be a valid number`);
    if (version >= "2026-10-21") throw new Refusal(400, `${name}: Extra inputs are not permitted`);
  }
  if (asNumber(temperature) !== undefined && ((temperature as number) < 0 || (temperature as number) > 1))
    throw new Refusal(400, "temperature: range: 0..1");
  if (temperature !== undefined && top_p !== undefined)
    throw new Refusal(400, "`temperature` and `top_p` cannot both be specified for this model.");
  if (!thinks) return;
  if (temperature !== undefined && temperature !== 1)
    throw new Refusal(400, "`temperature` may only be set to 1 when thinking is enabled.");
  if (top_k !== undefined) throw new Refusal(400, "`top_k` must be unset when thinking is enabled.");
  if (typeof top_p === "number" && top_p < 0.95)
    throw new Refusal(
      400,
      "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
    );
}

function checkOutput(config: unknown): void {
  if (config === undefined) return;
  const { effort, format, ...rest } = asObject(config);
  refuseOthers(rest, [], "output_config");
  if (effort !== undefined && !EFFORTS.includes(asText(effort) ?? ""))
    throw new Refusal(400, `output_config.effort: Input should be ${EFFORTS.join(", ")}`);
  if (format === undefined || format === null) return;
  const { type, schema, ...others } = asObject(format);
  refuseOthers(others, [], "output_config.format");
  if (type !== "json_schema" || !isObject(schema))
    throw new Refusal(400, "output_config.format: Input should be of type 'json_schema' with a schema");
}

function checkTexts({ stop_sequences: stops, metadata, service_tier: tier }: JsonObject): void {
  if (stops !== undefined) {
    if (!Array.isArray(stops) || !stops.every((stop) => typeof stop === "string"))
      throw new Refusal(400, "stop_sequences: Input should be a valid list of strings");
    if (stops.some((stop: string) => stop.trim() === ""))
      throw new Refusal(400, "stop_sequences: each stop sequence must contain non-whitespace");
  }
  if (metadata !== undefined) refuseOthers(asObject(metadata), ["user_id"], "metadata");
  if (tier !== undefined && tier !== "auto" && tier !== "standard_only")
    throw new Refusal(400, "service_tier: Input should be 'auto' or 'standard_only'");
}
