import type { JsonObject, RequestMapping } from "gatewright";
import { toAssistantMessage } from "./assistant-message.ts";
import { toTurns } from "./contents.ts";
import { toUserMessages } from "./user-messages.ts";

/** What the translation of a conversation keeps in mind. */
export interface Conversation extends RequestMapping {
  /** Calls of the last model turn whose results have not come. */
  open: { readonly id: string; readonly name: string }[];
}

/** `contents` as messages of OpenAI's chat. */
export function toMessages(contents: unknown, { dropped, takes }: RequestMapping): JsonObject[] {
  const conversation: Conversation = { open: [], dropped, takes };
  return toTurns(contents, dropped).flatMap((turn, index) =>
    turn.fromModel ? [toAssistantMessage(turn, index, conversation)] : toUserMessages(turn, conversation),
  );
}
