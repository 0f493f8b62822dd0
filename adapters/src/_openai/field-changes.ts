import { drop, isEmpty, report, sortFields, translate } from "gatewright";
import type { FieldRule, JsonObject, MappedRequest, MappingInfo, OperationMapping } from "gatewright";
import { toMessages, toTools } from "./messages.ts";
import type { MessageRules } from "./messages.ts";

/** The fate of a field that this server takes otherwise than OpenAI does. */
interface FieldChange extends FieldRule {
  /** The members that take the place of a translated field. Throws `UnsupportedField`. */
  to?(value: unknown, request: JsonObject): JsonObject;
  /** The name that it goes by: of two values this one counts, and the other is reported. */
  renamed?: string;
}

/** By field name. Fields that are not listed are forwarded. */
export type FieldChanges = Readonly<Record<string, FieldChange>>;

/** The same value under another name. */
export function rename(name: string): FieldChange {
  return { ...translate(`\`${name}\``), to: (value) => ({ [name]: value }), renamed: name };
}

/** A field that becomes other members. */
export function become(note: string, to: NonNullable<FieldChange["to"]>): FieldChange {
  return { ...translate(note), to };
}

/** For servers that would ignore the newer name, and with it the limit. */
export const ONLY_MAX_TOKENS: FieldChanges = { max_completion_tokens: rename("max_tokens") };

/** What only OpenAI's own account, storage and safety services can make use of. */
export const NO_ACCOUNT: FieldChanges = {
  store: drop("nothing is stored here", (value) => value === false),
  metadata: drop("nothing is stored here", isEmpty),
  safety_identifier: drop("end users are not told apart here", isEmpty),
  prompt_cache_key: drop("prompts are cached without it", isEmpty),
  prompt_cache_options: drop("prompts are cached without it", isEmpty),
  prompt_cache_retention: drop("prompts are cached without it"),
};

interface RequestRules {
  changes: FieldChanges;
  /** Present for chat. */
  messages?: MessageRules;
  /** Usage has to be asked for in streams. */
  streamUsage?: boolean;
  /** The request as the changes are to find it. */
  prepare?(request: JsonObject, dropped: Set<string>): JsonObject;
}

/** How an operation is served, and what becomes of its fields. */
export interface FieldedMapping<Options = unknown> extends OperationMapping<Options> {
  readonly fields: FieldChanges;
}

/** An operation of a server that speaks OpenAI's dialect but for these fields. Null counts as absent. */
export function changedMapping(
  path: OperationMapping<unknown>["path"],
  rules: RequestRules,
  reading: Pick<OperationMapping<unknown>, "fromResponse" | "stream"> = {},
): FieldedMapping {
  const { changes, messages, streamUsage, prepare } = rules;
  function toRequest(given: JsonObject, { model, stream }: MappingInfo<unknown>): MappedRequest {
    const dropped = new Set<string>();
    const request = prepare ? prepare(given, dropped) : given;
    const { forwarded: body, translated } = sortFields(request, changes, dropped);
    for (const [name, value] of Object.entries(translated)) {
      const { to, renamed } = changes[name]!;
      if (renamed !== undefined && Object.hasOwn(body, renamed) && body[renamed] !== value)
        report(dropped, renamed);
      Object.assign(body, to!(value, request));
    }
    if (messages) {
      body["messages"] = toMessages(body["messages"], rulesFor(messages, model), dropped);
      if (Object.hasOwn(body, "tools")) body["tools"] = toTools(body["tools"], dropped);
    }
    body["model"] = model;
    if (stream && streamUsage)
      body["stream_options"] = { ...(body["stream_options"] as object | undefined), include_usage: true };
    return { body, dropped: [...dropped] };
  }
  return { path, fields: changes, toRequest, ...reading };
}

function rulesFor(rules: MessageRules, model: string): MessageRules {
  const { reasoningModels } = rules;
  return !reasoningModels || reasoningModels.test(model) ? rules : { ...rules, reasoning: undefined };
}
