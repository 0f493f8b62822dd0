import { compact, isEmpty, isJsonObject, reportRest, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";
import { toCachePoint } from "./content.ts";

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html */
export function toToolConfig(
  tools: unknown,
  choice: unknown,
  { dropped, usesTools }: { dropped: Set<string>; usesTools: boolean },
): JsonObject | undefined {
  if (choice === "none") {
    // Converse has no such choice, and wants the tools told that the history uses.
    if (usesTools)
      throw new UnsupportedField("tool_choice", "`tool_choice`: Bedrock must offer tools once used");
    return undefined;
  }
  const { toolChoice, names, chosen } = readToolChoice(choice);
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  const list: readonly unknown[] = tools ?? [];
  const offered = list.flatMap((tool, index) => {
    const blocks = toToolBlocks(tool, `tools[${index}]`, dropped);
    return !names || names.has(nameOf(tool)) ? blocks : [];
  });
  const isMissing = chosen !== undefined && !list.some((tool) => nameOf(tool) === chosen);
  if (isMissing || (offered.length === 0 && (names || toolChoice?.["any"])))
    throw new UnsupportedField("tool_choice", "`tool_choice` must find its tool among `tools`");
  return offered.length === 0 ? undefined : compact({ tools: offered, toolChoice });
}

function toToolBlocks(tool: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (!isJsonObject(tool) || !isJsonObject(tool["function"]))
    throw new UnsupportedField(at, `\`${at}\`: Bedrock takes functions only`);
  const { type: _, function: definition, cache_control: cacheControl, ...rest } = tool;
  const { name, description, parameters, strict, ...others } = definition;
  reportRest(dropped, rest, `${at}.`);
  reportRest(dropped, others, `${at}.function.`);
  const toolSpec = compact({
    name,
    description: isEmpty(description ?? "") ? undefined : description,
    inputSchema: { json: parameters ?? { type: "object", properties: {} } },
    strict,
  });
  return [{ toolSpec }, ...toCachePoint(cacheControl)];
}

interface ReadChoice {
  toolChoice?: JsonObject;
  /** What the choice narrows the tools to; absent for all of them. */
  names?: Set<unknown>;
  /** The one tool that has to be called. */
  chosen?: unknown;
}

function readToolChoice(choice: unknown): ReadChoice {
  if (choice === undefined) return {};
  if (choice === "auto") return { toolChoice: { auto: {} } };
  if (choice === "required") return { toolChoice: { any: {} } };
  if (isJsonObject(choice)) {
    if (choice["type"] === "function" && isJsonObject(choice["function"]))
      return {
        toolChoice: { tool: { name: choice["function"]["name"] } },
        chosen: choice["function"]["name"] ?? null,
      };
    const allowed = choice["allowed_tools"];
    if (isJsonObject(allowed) && Array.isArray(allowed["tools"])) {
      const names = new Set(allowed["tools"].map(nameOf));
      return { toolChoice: allowed["mode"] === "required" ? { any: {} } : { auto: {} }, names };
    }
  }
  throw new UnsupportedField("tool_choice", "`tool_choice` must name functions, or a mode");
}

function nameOf(tool: unknown): unknown {
  return isJsonObject(tool) && isJsonObject(tool["function"]) ? tool["function"]["name"] : undefined;
}
