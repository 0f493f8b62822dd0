import { compact, isJsonObject, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";

/** Tools as Anthropic takes them. */
export interface ToolSetup {
  tools?: JsonObject[];
  choice?: JsonObject;
}

/** The choice makes the model call a tool, which leaves it no room to think. */
export function isForced({ choice }: ToolSetup): boolean {
  return choice?.["type"] === "any" || choice?.["type"] === "tool";
}

export function toTools({ tools, tool_choice, parallel_tool_calls }: JsonObject): ToolSetup {
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  const { choice, allowed } = toChoice(tool_choice);
  const { type, name: chosen } = choice ?? {};
  const mapped = (tools ?? [])
    .map((tool: unknown, index) => toTool(tool, `tools[${index}]`))
    .filter(({ name }) => allowed?.has(name) ?? true);
  const setup: ToolSetup = { tools: mapped, choice };
  if (mapped.length === 0) {
    if (isForced(setup) || allowed)
      throw new UnsupportedField("tool_choice", "`tool_choice`: there is no tool that could be called");
    return {};
  }
  if (type === "tool" && !mapped.some(({ name }) => name === chosen))
    throw new UnsupportedField("tool_choice", "`tool_choice` must find its tool among `tools`");
  if (parallel_tool_calls === false && choice?.["type"] !== "none")
    setup.choice = { type: "auto", ...choice, disable_parallel_tool_use: true };
  return setup;
}

function toTool(tool: unknown, at: string): JsonObject {
  if (!isJsonObject(tool)) throw wrongShape(at, "an object", tool);
  const { type: _, function: called, ...rest } = tool;
  if (!isJsonObject(called)) {
    // Anthropic's own tools, by a dated type.
    if (typeof rest["name"] === "string") return tool;
    throw new UnsupportedField(at, `\`${at}\`: Anthropic takes functions and tools of its own`);
  }
  const { name, description, parameters = {}, strict, ...others } = called;
  const place = `${at}.function.parameters`;
  return compact({
    ...rest,
    ...others,
    name,
    description,
    input_schema: toInputSchema(parameters, place),
    strict,
  });
}

/** Anthropic's schemas are those of objects, and say so. */
function toInputSchema(schema: unknown, at: string): JsonObject {
  if (schema === null) return { type: "object" };
  if (!isJsonObject(schema)) throw wrongShape(at, "a JSON schema", schema);
  return { type: "object", ...schema };
}

function toChoice(choice: unknown): { choice?: JsonObject; allowed?: ReadonlySet<unknown> } {
  if (choice === undefined) return {};
  if (choice === "auto" || choice === "none") return { choice: { type: choice } };
  if (choice === "required") return { choice: { type: "any" } };
  if (isJsonObject(choice)) {
    const { type, function: called, allowed_tools: list } = choice;
    if (type === "function" && isJsonObject(called))
      return { choice: { type: "tool", name: called["name"] } };
    if (type === "allowed_tools" && isJsonObject(list) && Array.isArray(list["tools"]))
      return { choice: toAllowedMode(list["mode"]), allowed: new Set(list["tools"].map(toName)) };
  }
  throw new UnsupportedField(
    "tool_choice",
    "`tool_choice`: Anthropic takes `auto`, `none`, `required` or a function",
  );
}

function toAllowedMode(mode: unknown): JsonObject {
  if (mode === "auto") return { type: "auto" };
  if (mode === "required") return { type: "any" };
  throw new UnsupportedField(
    "tool_choice.allowed_tools.mode",
    "`tool_choice.allowed_tools.mode` must be `auto` or `required`",
  );
}

function toName(tool: unknown): unknown {
  return isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined;
}
