import { editJson } from "../body/json-text.ts";
import { JsonTextView } from "../body/json-view.ts";
import type { Operation } from "../operation.ts";
import { isAbsent } from "../operations/openai-dialect.ts";
import type { Exchange } from "../request/exchange.ts";
import { hiddenOf, type PreparedCall } from "./prepared-call.ts";
import { JSON_TYPE, noStream } from "./reply-head.ts";
import { fromErrorBody, malformedReply } from "./upstream-error.ts";

/** What whole replies are held to. */
export interface ReplyLimits {
  readonly maxReplyBytes: number;
  /** Of one that is read. */
  readonly maxReplyDepth: number;
}

/** The unit of `JsonFields.weight`. */
const BYTES_PER_NUMBER = 8;

/** A whole JSON reply that holds an answer, not parsed yet. Throws the error that it is or tells of instead. */
export function readAnswer(
  bytes: Uint8Array,
  status: number,
  { operation, stream }: Exchange,
  prepared: PreparedCall,
  limits: ReplyLimits,
): JsonTextView {
  const { target, plan, translated } = prepared;
  const { adapter } = target.backend;
  const reply = readReply(bytes, status);
  const { errorMembers } = adapter;
  const mayFail = !errorMembers || errorMembers.some((name) => !isAbsent(reply, name));
  const isParsed = isRewritten(operation, prepared) || (mayFail && adapter.errorInReply !== undefined);
  if (isParsed && !isReadable(reply, limits))
    throw malformedReply("The backend's reply is nested too deep or has too many values", status);
  const failure = mayFail && adapter.errorInReply?.(reply.json, plan.mapped);
  if (failure) throw fromErrorBody(failure, adapter, hiddenOf(prepared), target.model);
  // It was read for the error that JSON might have been.
  if (stream && operation.stream && !operation.streamOptional) throw noStream(JSON_TYPE, status);
  if (!translated && operation.isAnswer?.(reply) === false)
    throw malformedReply("The backend's reply holds no answer", status);
  return reply;
}

/** The reply leaves as a text of the gateway's own; any other as the bytes that came. */
export function isRewritten(operation: Operation, { translated }: PreparedCall): boolean {
  return translated !== undefined || operation.normalizeReply !== undefined;
}

/** A parse of it takes about as many bytes as a reply may have, and all that goes down into it gets to the ground. */
export function isReadable({ fields: { depth, weight } }: JsonTextView, limits: ReplyLimits): boolean {
  return depth <= limits.maxReplyDepth && weight <= limits.maxReplyBytes / BYTES_PER_NUMBER;
}

/** The reply under the name of the model that the client asked for; the same bytes where it has that already, or none. */
export function underModel(reply: JsonTextView, operation: Operation, model: string): Uint8Array {
  const { modelMember = "model" } = operation;
  if (operation.modelless || reply.isText(modelMember, model) || reply.typeOf(modelMember) !== "string")
    return reply.text;
  return editJson(reply.text, reply.fields, { [modelMember]: JSON.stringify(model) });
}

function readReply(bytes: Uint8Array, status: number): JsonTextView {
  try {
    const view = JsonTextView.read(bytes);
    // An object or a list.
    if (view.fields.depth > 0) return view;
  } catch {
    // Falls through: the message must not quote what the backend sent.
  }
  throw malformedReply("The backend's reply is not JSON", status);
}
