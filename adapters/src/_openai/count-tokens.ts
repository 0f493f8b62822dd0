import * as v from "valibot";
import { sortFields } from "gatewright";
import type { FieldTable } from "gatewright";
import { countFields, fromCountReply, NOT_COUNTED, toCountRequest } from "../_anthropic/count.ts";
import { claudeOptions } from "../_anthropic/options.ts";
import { PATHS } from "./family.ts";
import type { FieldedMapping } from "./field-changes.ts";

/** How a model is to think or to write is for Claude alone to count. */
const SETTINGS: FieldTable = { reasoning_effort: NOT_COUNTED, response_format: NOT_COUNTED };
const DEFAULTS = v.parse(v.strictObject(claudeOptions), {});

/** Counts by a server that has Anthropic's way to ask for one beside OpenAI's API. */
export function messagesCount(): FieldedMapping {
  return {
    path: PATHS.messagesCountTokens,
    fields: { ...countFields, ...SETTINGS },
    toRequest(request, info) {
      const left = new Set<string>();
      const { forwarded } = sortFields(request, SETTINGS, left);
      const { body, dropped = [] } = toCountRequest(forwarded, { ...info, options: DEFAULTS });
      return { body, dropped: [...left, ...dropped] };
    },
    fromResponse: fromCountReply,
  };
}
