import { defineAdapter } from "gatewright";
import type {
  Adapter,
  FieldTable,
  ForeignMembers,
  OperationMapping,
  OperationName,
  Requiring,
} from "gatewright";
import { FOREIGN_THINKING } from "../_anthropic/foreign-thinking.ts";
import { toSentHeaders } from "../_extra-headers.ts";
import { KNOWN_EFFORTS } from "../_reasoning-efforts.ts";
import { ERROR_MEMBERS, errorInBody } from "./errors.ts";
import { changedMapping, ONLY_MAX_TOKENS } from "./field-changes.ts";
import type { FieldChanges } from "./field-changes.ts";
import { FOREIGN_ITEMS } from "./foreign-items.ts";
import { createReplyReading } from "./hub-reply.ts";
import type { ReplyReading } from "./hub-reply.ts";
import type { MessageRules } from "./messages.ts";
import { readModels } from "./model-list.ts";
import { bearer, FamilyOptions } from "./options.ts";
import { recognitionOf } from "./recognition.ts";
import { createSourceReading } from "./sources.ts";
import type { SourceRules } from "./sources.ts";

declare module "gatewright" {
  interface OperationNames {
    files: true;
    batches: true;
    realtime: true;
    messages: true;
    messagesCountTokens: true;
  }
}

/** Where OpenAI's API has its operations, beneath the base URL. */
export const PATHS = {
  chat: "/chat/completions",
  completions: "/completions",
  responses: "/responses",
  embeddings: "/embeddings",
  rerank: "/rerank",
  speech: "/audio/speech",
  transcription: "/audio/transcriptions",
  translation: "/audio/translations",
  imageGeneration: "/images/generations",
  imageEdit: "/images/edits",
  imageVariation: "/images/variations",
  moderation: "/moderations",
  files: "/files",
  batches: "/batches",
  realtime: "/realtime?model={model}",
  messages: "/messages",
  messagesCountTokens: "/messages/count_tokens",
} as const satisfies Partial<Record<OperationName, string>>;

type Mappings = { readonly [Name in OperationName]?: OperationMapping<unknown> };

/** By operation. */
type FieldTables = Readonly<Partial<Record<OperationName, FieldTable>>>;

/** What sets one server with OpenAI's API apart from the others. */
interface FamilyMember {
  name: string;
  /** Absent: a backend has to say where it is. */
  baseURL?: string;
  /** Operations that it has beside chat, in OpenAI's dialect (`messages` in Anthropic's). */
  has?: readonly Exclude<keyof typeof PATHS, "chat">[];
  /** Operations that it has in a way of its own. */
  operations?: Mappings;
  /**
   * Chat fields that it takes otherwise. Absent: it takes them all as OpenAI does, and requests pass as bytes.
   */
  chat?: ChatRules;
  /** Members beyond OpenAI's that it takes from front doors in other dialects, where requests pass as bytes. */
  extensions?: readonly string[];
  /** Replies that need more reading than reasoning's two names. */
  reading?: ReplyReading;
  /** Where its replies name the sources of an answer: front doors in other dialects have no place beside the answer. */
  sources?: SourceRules;
  /** False where there is no model list. */
  models?: false;
  /** Absent: the model list, where there is one. */
  health?: Adapter["health"];
  modelPatterns?: readonly string[];
  /** Absent: an error that stands in place of the answer. */
  errorInReply?: Adapter["errorInReply"];
  fromError?: Adapter["fromError"];
}

interface ChatRules extends MessageRules {
  changes?: FieldChanges;
  /** It answers in a dialect of its own, also to clients of OpenAI's API. */
  translatesReplies?: boolean;
  /** Its streams tell the usage unasked, and it may refuse the question. */
  tellsUsage?: boolean;
}

/** Servers that know `max_tokens` alone, and take `reasoning_content` in the history or pay it no heed. */
export const MAX_TOKENS_CHAT: ChatRules = { changes: ONLY_MAX_TOKENS, reasoning: "reasoning_content" };

export interface FamilyAdapter extends Adapter<typeof FamilyOptions> {
  /** What becomes of request fields that the server takes otherwise, by operation. Others are forwarded. */
  readonly fields: FieldTables;
}

/** Of servers that everybody runs for themselves. */
export type PlacelessAdapter = Requiring<FamilyAdapter, { baseURL: string }>;

/** An adapter for a server with OpenAI's API. Most need a name and a URL. */
export function openaiFamily(member: FamilyMember): FamilyAdapter {
  const { name, baseURL, has = [], models, modelPatterns } = member;
  const operations = {
    chat: toChat(member),
    ...Object.fromEntries(has.map((operation) => [operation, toMapping(operation)])),
    ...member.operations,
  };
  const adapter = defineAdapter({
    name,
    provider: name,
    options: FamilyOptions,
    baseURL,
    auth: bearer,
    headers: ({ headers }) => toSentHeaders(headers),
    forwardHeaders: Object.hasOwn(operations, "messages") ? ["anthropic-version", "anthropic-beta"] : [],
    operations,
    reasoningEfforts: KNOWN_EFFORTS,
    vendorPrefixes: [name],
    modelPatterns,
    recognition: recognitionOf(name),
    models: models === false ? undefined : { path: "/models", read: readModels },
    health: member.health ?? (models === false ? undefined : { path: "/models" }),
    errorInReply: member.errorInReply ?? errorInBody,
    ...(!member.errorInReply && { errorMembers: ERROR_MEMBERS }),
    fromError: member.fromError,
  });
  return Object.assign(adapter, { fields: fieldsOf(operations) });
}

/** The tables of those mappings that have one. */
function fieldsOf(operations: Record<string, object>): FieldTables {
  return Object.fromEntries(
    Object.entries(operations).flatMap(([name, mapping]) =>
      "fields" in mapping ? [[name, mapping.fields as FieldTable]] : [],
    ),
  );
}

const REASONING = createReplyReading();

function toChat(member: FamilyMember): OperationMapping<unknown> {
  const { chat, extensions = [], reading = REASONING, sources } = member;
  const bridgedReading = sources && createSourceReading(sources, reading);
  if (!chat) return { path: PATHS.chat, streamUsage: true, extensions, ...reading, bridgedReading };
  const { changes = {}, translatesReplies = false, tellsUsage = false, ...messages } = chat;
  const rules = { changes, messages, streamUsage: !tellsUsage };
  return { ...changedMapping(PATHS.chat, rules, translatesReplies ? reading : {}), bridgedReading };
}

/** What other vendors' answers left in a history, by the dialect that it is written in. */
const FOREIGN: { readonly [Name in OperationName]?: ForeignMembers } = {
  responses: FOREIGN_ITEMS,
  messages: FOREIGN_THINKING,
  messagesCountTokens: FOREIGN_THINKING,
};

function toMapping(operation: keyof typeof PATHS): OperationMapping<unknown> {
  const path = PATHS[operation];
  return operation === "completions" ? { path, streamUsage: true } : { path, foreign: FOREIGN[operation] };
}
