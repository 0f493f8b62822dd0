import { isJsonObject, report, reportRest, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";

/** `tools` and `toolConfig`. Tools without a `type` are Gemini's own, e.g. `{ googleSearch: {} }`, and pass. */
export function toTools(tools: unknown, choice: unknown, dropped: Set<string>): JsonObject {
  if (tools !== undefined && !Array.isArray(tools)) throw wrongShape("tools", "a list", tools);
  const declarations: JsonObject[] = [];
  const own: JsonObject[] = [];
  for (const [index, tool] of (tools ?? []).entries()) {
    const at = `tools[${index}]`;
    if (!isJsonObject(tool)) throw wrongShape(at, "an object", tool);
    if (isJsonObject(tool["function"])) declarations.push(toDeclaration(tool, tool["function"], at, dropped));
    else if (tool["type"] === undefined) own.push(tool);
    else throw new UnsupportedField(at, `\`${at}\`: Gemini takes functions and its own tools only`);
  }
  const calling = toCallingConfig(choice);
  if (declarations.length === 0) {
    if (calling && calling["mode"] !== "AUTO" && calling["mode"] !== "NONE")
      throw new UnsupportedField("tool_choice", "`tool_choice` must find its tool among `tools`");
    return own.length > 0 ? { tools: own } : {};
  }
  return {
    tools: [{ functionDeclarations: declarations }, ...own],
    ...(calling && { toolConfig: { functionCallingConfig: calling } }),
  };
}

/** JSON Schema goes into `parametersJsonSchema`: `parameters` takes a part of OpenAPI's only. */
function toDeclaration(tool: JsonObject, called: JsonObject, at: string, dropped: Set<string>): JsonObject {
  const { type: _, function: __, ...rest } = tool;
  reportRest(dropped, rest, `${at}.`);
  const { strict, parameters, ...others } = called;
  if (strict === true) report(dropped, `${at}.function.strict`);
  return { ...others, ...(isJsonObject(parameters) && { parametersJsonSchema: parameters }) };
}

/** Names are allowed where calls are checked: with ANY, and with VALIDATED, which lets text pass as well. */
const ALLOWED_MODES: ReadonlyMap<unknown, string> = new Map([
  ["auto", "VALIDATED"],
  ["required", "ANY"],
]);

/** `functionCallingConfig`: https://ai.google.dev/api/caching#FunctionCallingConfig. */
function toCallingConfig(choice: unknown): JsonObject | undefined {
  if (choice === undefined) return undefined;
  if (choice === "auto") return { mode: "AUTO" };
  if (choice === "none") return { mode: "NONE" };
  if (choice === "required") return { mode: "ANY" };
  if (isJsonObject(choice)) {
    const { type, function: called, allowed_tools: allowed } = choice;
    if (type === "function" && isJsonObject(called))
      return { mode: "ANY", allowedFunctionNames: [called["name"]] };
    if (type === "allowed_tools" && isJsonObject(allowed) && Array.isArray(allowed["tools"])) {
      const mode = ALLOWED_MODES.get(allowed["mode"]);
      if (mode !== undefined) return { mode, allowedFunctionNames: allowed["tools"].map(nameOf) };
    }
  }
  throw new UnsupportedField("tool_choice", "`tool_choice` must be a choice of the chat API among functions");
}

function nameOf(tool: unknown): unknown {
  const called = isJsonObject(tool) ? tool["function"] : undefined;
  if (isJsonObject(called)) return called["name"];
  throw new UnsupportedField("tool_choice", "`tool_choice` must name functions");
}
