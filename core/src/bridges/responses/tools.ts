import { UnsupportedField } from "../../adapter.ts";
import { wrongShape } from "../../field-fault.ts";
import { compact, isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";

/** Flat tools to nested ones. Members that neither dialect knows stay where they are. */
export function toTools(tools: unknown): JsonObject[] | undefined {
  if (tools === undefined) return undefined;
  if (!Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  return tools.map((tool: unknown, index) => toTool(tool, `tools[${index}]`));
}

function toTool(tool: unknown, at: string): JsonObject {
  if (!isJsonObject(tool)) throw wrongShape(at, "an object", tool);
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

/** `tools` are those of the request, nested. A choice of none of them is `none`; where it demands a call it is refused. */
export function toToolChoice(choice: unknown, tools: readonly JsonObject[]): unknown {
  if (!isJsonObject(choice) || choice["type"] !== "allowed_tools") return toNested(choice);
  const { type, mode, tools: list } = choice;
  if (!Array.isArray(list)) throw unknownChoice();
  const allowed = list.map(toNested);
  const offered = new Set(tools.map(nameOf));
  if (allowed.some((tool) => offered.has(nameOf(tool))))
    return { type, allowed_tools: { mode, tools: allowed } };
  if (mode === "auto") return "none";
  throw new UnsupportedField("tool_choice.tools", "`tool_choice.tools` names none of `tools`");
}

function toNested(choice: unknown): unknown {
  if (!isJsonObject(choice)) return choice;
  const { type, name } = choice;
  if (type === "function" || type === "custom") return { type, [type]: { name } };
  throw unknownChoice();
}

function nameOf(tool: unknown): unknown {
  if (!isJsonObject(tool)) return undefined;
  const called = tool["function"] ?? tool["custom"];
  return isJsonObject(called) ? called["name"] : undefined;
}

function unknownChoice(): UnsupportedField {
  return new UnsupportedField(
    "tool_choice",
    "`tool_choice`: the backend has chat alone, which takes functions and custom tools",
  );
}
