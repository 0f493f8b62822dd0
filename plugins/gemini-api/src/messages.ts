import type { JsonObject } from "gatewright";
import { toAssistantMessage } from "./assistant-message.ts";
import { toTurns } from "./contents.ts";
import { toUserMessages } from "./user-messages.ts";

/** What the translation of a conversation keeps in mind. */
export interface Conversation {
  /** Calls of the last model turn whose results have not come. */
  open: { readonly id: string; readonly name: string }[];
  readonly dropped: Set<string>;
  /** Whether the backend takes a member that OpenAI's own API does not know. */
  takes(member: string): boolean;
}

/** `contents` as messages of OpenAI's chat. */
export function toMessages(
  contents: unknown,
  { dropped, takes }: Pick<Conversation, "dropped" | "takes">,
): JsonObject[] {
  const conversation: Conversation = { open: [], dropped, takes };
  return toTurns(contents, dropped).flatMap((turn, index) =>
    turn.fromModel ? [toAssistantMessage(turn, index, conversation)] : toUserMessages(turn, conversation),
  );
}
