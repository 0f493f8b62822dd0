import { compact, isJsonObject, report, translate } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo, StreamMapping } from "gatewright";
import { withoutForeignThinking } from "../_anthropic/foreign-thinking.ts";
import type { VertexSettings } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    messages: true;
    messagesCountTokens: true;
  }
}

type Info = MappingInfo<VertexSettings>;

/** Fates of the fields of the Messages API: what is not listed is Claude's to understand. */
export const messagesFields: FieldTable = {
  model: translate("in the path"),
};

/** The client's own body, without the model and with the version that is a header elsewhere. */
export function toMessagesRequest(request: JsonObject, { options }: Info): MappedRequest {
  const dropped = new Set<string>();
  const { model: _, ...body } = withoutForeignThinking(request, dropped);
  return { body: { anthropic_version: options.anthropicVersion, ...body }, dropped: [...dropped] };
}

/** Events of the client's own dialect. Core writes the model's name into them. */
export const messagesStream: StreamMapping<VertexSettings, undefined> = {
  format: "sse",
  start: () => undefined,
  event: (_state, event) => [event],
};

/** Fates of the fields of a count by Claude. */
export const messagesCountFields: FieldTable = {
  model: translate("the name at the backend"),
};

/** A count names its model in the body: the path is the same for all of them. */
export function toMessagesCount(request: JsonObject, { model, options }: Info): MappedRequest {
  const dropped = new Set<string>();
  const counted = withoutForeignThinking(request, dropped);
  return { body: { anthropic_version: options.anthropicVersion, ...counted, model }, dropped: [...dropped] };
}

/** Fates of the fields of a count by Gemini. */
export const countTokensFields: FieldTable = {
  model: translate("in the path"),
  generateContentRequest: translate(
    "its members stand in the body itself; settings that nothing counts are left out",
  ),
};

/** What of a request Vertex AI counts: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/countTokens. */
const COUNTED: ReadonlySet<string> = new Set(["contents", "systemInstruction", "tools", "generationConfig"]);

/** Vertex AI counts the members of a request, where the Gemini API takes it whole as well. */
export function toCountRequest(request: JsonObject): MappedRequest {
  const { model: _, generateContentRequest: whole, ...body } = compact(request);
  if (!isJsonObject(whole)) return { body };
  const dropped = new Set<string>();
  for (const [name, value] of Object.entries(whole)) {
    if (COUNTED.has(name)) body[name] = value;
    else if (name !== "model") report(dropped, `generateContentRequest.${name}`);
  }
  return { body, dropped: [...dropped] };
}
