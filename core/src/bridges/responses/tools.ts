import { UnsupportedField } from "../../adapter.ts";
import { compact, isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";

/** Flat tools to nested ones. Members that neither dialect knows stay where they are. */
export function toTools(tools: unknown): JsonObject[] | undefined {
  if (tools === undefined) return undefined;
  if (!Array.isArray(tools)) throw new UnsupportedField("tools", "`tools` must be a list");
  return tools.map((tool: unknown, index) => toTool(tool, `tools[${index}]`));
}

function toTool(tool: unknown, at: string): JsonObject {
  if (!isJsonObject(tool)) throw new UnsupportedField(at, `\`${at}\` must be an object`);
  const { type, name, description, ...others } = tool;
  if (type === "function") {
    const { parameters, strict, ...rest } = others;
    return { type, function: compact({ name, description, parameters, strict }), ...rest };
  }
  if (type === "custom") {
    const { format, ...rest } = others;
    return { type, custom: compact({ name, description, format: toFormat(format) }), ...rest };
  }
  throw new UnsupportedField(
    `${at}.type`,
    `\`${at}.type\`: the backend has chat alone, which takes functions and custom tools`,
  );
}

function toFormat(format: unknown): unknown {
  if (!isJsonObject(format) || format["type"] !== "grammar") return format;
  const { type, ...grammar } = format;
  return { type, grammar };
}

export function toToolChoice(choice: unknown): unknown {
  if (!isJsonObject(choice)) return choice;
  const { type, name, mode, tools } = choice;
  if (type === "function" || type === "custom") return { type, [type]: { name } };
  if (type === "allowed_tools" && Array.isArray(tools))
    return { type, allowed_tools: { mode, tools: tools.map(toToolChoice) } };
  throw new UnsupportedField(
    "tool_choice",
    "`tool_choice`: the backend has chat alone, which takes functions and custom tools",
  );
}
