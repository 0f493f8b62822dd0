import type { FieldTable } from "gatewright";
import {
  contentPartFields,
  messageFields as anthropicMessages,
} from "../../adapters/src/_anthropic/fields.ts";
import { messageFields as bedrockMessages } from "../../adapters/src/_bedrock/messages.ts";
import { messageFields as cohereMessages } from "../../adapters/src/_cohere/chat-request.ts";
import { messageFields as geminiMessages } from "../../adapters/src/_gemini/contents.ts";
import { itemFields, messageFields as ollamaMessages } from "../../adapters/src/_ollama/chat-request.ts";
import { messageFields as wenxinMessages } from "../../adapters/src/_wenxin/chat-request.ts";
import { toolFields as anthropicTools } from "../../plugins/anthropic-api/src/fields.ts";
import { callFields } from "../../plugins/gemini-api/src/assistant-message.ts";
import { contentFields, partFields } from "../../plugins/gemini-api/src/contents.ts";
import { generationFields, thinkingFields } from "../../plugins/gemini-api/src/generation-config.ts";
import { blobFields, fileFields } from "../../plugins/gemini-api/src/media.ts";
import {
  callingFields,
  declarationFields,
  toolConfigFields,
  toolFields as geminiTools,
} from "../../plugins/gemini-api/src/tools.ts";
import { resultFields } from "../../plugins/gemini-api/src/user-messages.ts";

/** The stated fates of members that stand inside of a field. */
export interface NestedTable {
  /** The adapters, or the front door, that have it. */
  readonly of: readonly string[];
  readonly operation: string;
  /** Place of the members, e.g. `messages[].content[]`. */
  readonly at: string;
  readonly table: FieldTable;
  /** What becomes of members that the table does not list. */
  readonly others: "forward" | "drop" | "refuse";
}

const GEMINI = ["gemini", "vertex"];
const CLAUDE = ["anthropic", "vertex"];

/** Those of adapters: what they take of the hub's messages. */
export const ADAPTER_TABLES: readonly NestedTable[] = [
  { of: CLAUDE, operation: "chat", at: "messages[]", table: anthropicMessages, others: "drop" },
  ...Object.entries(contentPartFields).map(([type, table]): NestedTable => ({
    of: CLAUDE,
    operation: "chat",
    at: `messages[].content[] of type ${type}`,
    table,
    others: "drop",
  })),
  { of: ["bedrock"], operation: "chat", at: "messages[]", table: bedrockMessages, others: "drop" },
  { of: ["cohere"], operation: "chat", at: "messages[]", table: cohereMessages, others: "forward" },
  { of: GEMINI, operation: "chat", at: "messages[]", table: geminiMessages, others: "drop" },
  { of: ["ollama"], operation: "chat", at: "messages[]", table: ollamaMessages, others: "forward" },
  { of: ["ollama"], operation: "chat", at: "messages[].tool_calls[]", table: itemFields, others: "forward" },
  { of: ["ollama"], operation: "chat", at: "tools[]", table: itemFields, others: "forward" },
  { of: ["wenxin"], operation: "chat", at: "messages[]", table: wenxinMessages, others: "drop" },
];

const ofGemini = (at: string, table: FieldTable, others: NestedTable["others"]): NestedTable => ({
  of: ["gemini-api"],
  operation: "generateContent",
  at,
  table,
  others,
});

/** Those of front doors, on the way to a backend of another dialect. */
export const FRONT_DOOR_TABLES: readonly NestedTable[] = [
  { of: ["anthropic-api"], operation: "messages", at: "tools[]", table: anthropicTools, others: "drop" },
  ofGemini("contents[]", contentFields, "drop"),
  ofGemini("contents[].parts[]", partFields, "drop"),
  ofGemini("contents[].parts[].inlineData", blobFields, "drop"),
  ofGemini("contents[].parts[].fileData", fileFields, "drop"),
  ofGemini("contents[].parts[].functionCall", callFields, "drop"),
  ofGemini("contents[].parts[].functionResponse", resultFields, "drop"),
  ofGemini("tools[]", geminiTools, "refuse"),
  ofGemini("tools[].functionDeclarations[]", declarationFields, "drop"),
  ofGemini("toolConfig", toolConfigFields, "drop"),
  ofGemini("toolConfig.functionCallingConfig", callingFields, "drop"),
  ofGemini("generationConfig", generationFields, "forward"),
  ofGemini("generationConfig.thinkingConfig", thinkingFields, "drop"),
];
