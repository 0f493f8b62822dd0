import { compact, drop, isEmpty, refuse, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { toJsonSchema } from "./json-schema.ts";
import { readKnown, readMessage, toList, toText } from "./google-json.ts";

const RUN_BY_GOOGLE = "a tool that Google runs";

/** Fates of the members of one of `tools`. */
export const toolFields: FieldTable = {
  functionDeclarations: translate("functions", isEmpty),
  googleSearch: refuse(RUN_BY_GOOGLE),
  googleSearchRetrieval: refuse(RUN_BY_GOOGLE),
  googleMaps: refuse(RUN_BY_GOOGLE),
  codeExecution: refuse(RUN_BY_GOOGLE),
  urlContext: refuse(RUN_BY_GOOGLE),
  fileSearch: refuse(RUN_BY_GOOGLE),
  computerUse: refuse(RUN_BY_GOOGLE),
  retrieval: refuse(RUN_BY_GOOGLE),
  enterpriseWebSearch: refuse(RUN_BY_GOOGLE),
  mcpServers: refuse(RUN_BY_GOOGLE, isEmpty),
};

/** Fates of the members of one function's declaration. */
export const declarationFields: FieldTable = {
  name: translate("itself"),
  description: translate("itself"),
  parameters: translate("JSON Schema, types in small letters"),
  parametersJsonSchema: translate("`parameters`"),
  response: drop("elsewhere results have no schema"),
  responseJsonSchema: drop("elsewhere results have no schema"),
  behavior: drop("calls are answered in turn elsewhere"),
};

/** Fates of the members of `toolConfig`. */
export const toolConfigFields: FieldTable = {
  functionCallingConfig: translate("`tool_choice`", isEmpty),
  retrievalConfig: drop("it is for tools that Google runs", isEmpty),
  includeServerSideToolInvocations: drop("it is for tools that Google runs"),
};

/** Fates of the members of `functionCallingConfig`. */
export const callingFields: FieldTable = {
  mode: translate("`auto`, `none` or `required`"),
  allowedFunctionNames: translate("the one function, or `allowed_tools`", isEmpty),
  streamFunctionCallArguments: drop("calls come whole"),
};

/** All functions that are declared; undefined when there are none. */
export function toTools(tools: unknown, dropped: Set<string>): JsonObject[] | undefined {
  const declared = toList(tools ?? [], "tools").flatMap((tool, index) => {
    const at = `tools[${index}]`;
    const { forwarded, translated } = readMessage(tool, toolFields, dropped, at);
    const [unknown] = Object.keys(forwarded);
    if (unknown !== undefined)
      throw new UnsupportedField(
        `${at}.${unknown}`,
        `\`${at}.${unknown}\` cannot be carried: ${RUN_BY_GOOGLE}`,
      );
    const place = `${at}.functionDeclarations`;
    return toList(translated["functionDeclarations"] ?? [], place).map((declaration, position) =>
      toTool(declaration, dropped, `${place}[${position}]`),
    );
  });
  return declared.length > 0 ? declared : undefined;
}

function toTool(declaration: unknown, dropped: Set<string>, at: string): JsonObject {
  const { name, description, parameters, parametersJsonSchema } = readKnown(
    declaration,
    declarationFields,
    dropped,
    at,
  );
  return {
    type: "function",
    function: compact({
      name: toText(name, `${at}.name`),
      description,
      parameters: parametersJsonSchema ?? toJsonSchema(parameters),
    }),
  };
}

/** `tool_choice` among these tools; undefined for the default. A demand that none of them can meet is refused. */
export function toToolChoice(config: unknown, tools: readonly JsonObject[], dropped: Set<string>): unknown {
  if (config === undefined) return undefined;
  const calling = readKnown(config, toolConfigFields, dropped, "toolConfig")["functionCallingConfig"];
  if (calling === undefined) return undefined;
  const at = "toolConfig.functionCallingConfig";
  const { mode, allowedFunctionNames: allowed } = readKnown(calling, callingFields, dropped, at);
  const place = `${at}.allowedFunctionNames`;
  const names = toList(allowed ?? [], place);
  const offered = new Set(tools.map((tool) => (tool["function"] as JsonObject)["name"]));
  const nothing = names.length > 0 ? !names.some((name) => offered.has(name)) : offered.size === 0;
  if (mode === "ANY" && nothing)
    throw new UnsupportedField(
      names.length > 0 ? place : `${at}.mode`,
      `\`${at}\` demands a call, and there is no function that could be called`,
    );
  switch (mode) {
    case undefined:
    case "MODE_UNSPECIFIED":
    case "AUTO":
      return undefined;
    case "NONE":
      return "none";
    case "ANY":
      if (names.length === 0) return "required";
      return names.length === 1 ? toNamed(names[0]) : toAllowed("required", names);
    // Calls by the schema, or text: what other backends do anyway.
    case "VALIDATED":
      if (names.length === 0) return undefined;
      return nothing ? "none" : toAllowed("auto", names);
    default:
      throw new UnsupportedField(`${at}.mode`, `\`${at}.mode\` is none that can be carried`);
  }
}

function toNamed(name: unknown): JsonObject {
  return { type: "function", function: { name } };
}

function toAllowed(mode: "auto" | "required", names: readonly unknown[]): JsonObject {
  return { type: "allowed_tools", allowed_tools: { mode, tools: names.map(toNamed) } };
}
