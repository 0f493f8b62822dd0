import { isEmpty, isJsonObject, report, UnsupportedField } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { otherFormat } from "../_response-format.ts";
import { traitsOf } from "./claude-models.ts";
import type { ClaudeSettings } from "./options.ts";
import type { ToolSetup } from "./tools.ts";

/** How a `response_format` is asked for: at most one of the three. */
export interface StructuredOutput {
  /** `output_config.format`. */
  format?: JsonObject;
  /** The one tool that the model is made to call, in place of the request's tools. */
  tools?: ToolSetup;
  /** Goes behind the system prompt. */
  instruction?: string;
}

const ONLY_JSON = "Answer with one JSON object and nothing else: no explanation, no code fence.";

export function toStructuredOutput(
  { response_format, tools }: JsonObject,
  info: MappingInfo<ClaudeSettings>,
  dropped: Set<string>,
): StructuredOutput {
  if (response_format === undefined) return {};
  const { type, json_schema: named } = isJsonObject(response_format) ? response_format : {};
  if (type === "text") return {};
  if (type === "json_object" && info.options.jsonObject === "instruct") {
    // It is asked for, not held to.
    report(dropped, "response_format");
    return { instruction: ONLY_JSON };
  }
  if (type === "json_schema" && isJsonObject(named) && isJsonObject(named["schema"])) {
    const tool = structuredTool(info);
    if (tool) {
      if (!isEmpty(tools ?? []))
        throw refused("this model has it by a tool alone, and there are other tools");
      return { tools: { tools: [tool], choice: { type: "tool", name: tool["name"] } } };
    }
    if (traitsOf(info.model, info.options).structuredOutput === "native") {
      if (named["description"]) report(dropped, "response_format.json_schema.description");
      return { format: { type: "json_schema", schema: named["schema"] } };
    }
    throw refused("this model has no structured output; the config may allow one by a tool");
  }
  throw otherFormat("text, or JSON by a schema, for Anthropic", response_format);
}

function refused(why: string): UnsupportedField {
  return new UnsupportedField("response_format", `\`response_format\`: ${why}`);
}

/** The tool whose input is the answer, where the schema of this request is asked for by one. */
function structuredTool({ request, model, options }: MappingInfo<ClaudeSettings>): JsonObject | undefined {
  const format = request["response_format"];
  if (!isJsonObject(format) || format["type"] !== "json_schema") return undefined;
  if (traitsOf(model, options).structuredOutput !== "tool") return undefined;
  const named = isJsonObject(format["json_schema"]) ? format["json_schema"] : {};
  const { name, description, schema } = named;
  if (!isJsonObject(schema) || (schema["type"] ?? "object") !== "object") return undefined;
  return {
    name: typeof name === "string" && name !== "" ? name : "output",
    ...(typeof description === "string" && { description }),
    input_schema: { type: "object", ...schema },
  };
}

/** The name of that tool: a call of it is not a call but the answer. */
export function answeringTool(info: MappingInfo<ClaudeSettings>): unknown {
  return structuredTool(info)?.["name"];
}
