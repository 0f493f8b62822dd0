import { brand } from "./brand.ts";
import type { JsonView } from "./body/json-view.ts";
import type { Usage } from "./attempt.ts";
import type { OperationBridge } from "./adapter.ts";
import type { ServerLimits } from "./config/resolved.ts";
import type { Context, DownstreamRequest } from "./context.ts";
import type { GatewayError } from "./errors.ts";
import type { Reply } from "./reply.ts";
import type { Router } from "./router.ts";
import type { StreamEvent } from "./stream/event-stream.ts";

/** Names of the operations of core; front doors of plugins add their own by augmenting `OperationNames`. */
export interface OperationNames {
  chat: true;
  completions: true;
  responses: true;
  countTokens: true;
  embeddings: true;
  rerank: true;
  speech: true;
  transcription: true;
  translation: true;
  imageGeneration: true;
  imageEdit: true;
  imageVariation: true;
  moderation: true;
  models: true;
}
export type OperationName = keyof OperationNames;

/** A JSON object as a client sent it: unknown fields are kept, never required away. */
export type JsonObject = Record<string, unknown>;

/** Why a body is refused, with the field at fault. */
export interface FieldFault {
  param: string;
  /** `missing_parameter` when absent, else `invalid_request`. */
  missing?: boolean;
  message: string;
}

/** An error that a backend reports inside of a stream. */
export interface StreamFailure {
  /** Reaches the client where nothing of the stream has, as that of an error reply does. */
  message?: string;
  code?: string;
  /** Absent: an error of the server. */
  status?: number;
  /** The event is how the dialect itself ends a failed answer: after the commit point it passes, as the last one. */
  told?: boolean;
}

/** How the stream of an operation is read. All functions are pure and get the parsed `data` of one event. */
export interface StreamRules {
  /** True once the event carries something that the user sees: from here on nothing is retried. */
  isContent(json: JsonObject, type?: string): boolean;
  /** How many answers the event ends, e.g. by their finish reasons: a stream is whole when all of them have ended. */
  finishes(json: JsonObject, type?: string): number;
  /**
   * Only an event in which some member of this name is not null can end an answer, and only top-level `error` and
   * `usage` say anything else: then the others need no parse once content has begun.
   */
  finishMember?: string;
  /** The upstream's error, when the event reports one. */
  error?(json: JsonObject, type?: string): StreamFailure | undefined;
  /** `before` is what earlier events of the stream told, for dialects that tell it in parts. */
  usage?(json: JsonObject, type?: string, before?: Usage): Usage | undefined;
  /** The name on the `event:` line of an event that the gateway writes; absent: events have no names. */
  eventName?(json: JsonObject): string | undefined;
  /** Makes what writes the events of one stream as JSON text. Default: `stringifyJson`. */
  createText?(): (json: JsonObject) => string;
  /** Members that lead to the model's name in an event. Default: `model`, or that of `response`. */
  modelAt?: readonly string[];
  /** The `data` that closes a whole stream, e.g. `[DONE]`; null where the dialect has none. */
  terminator: string | null;
}

/**
 * An operation that is a WebSocket (RFC 6455): the client's connection is joined to the backend's, and bytes pass both
 * ways as they are. Of its frames only what the gateway has to know is looked at, and what names a model may be changed
 * where client and backend know it by different names. With `answer` there is no backend:
 * the `switch` of its reply speaks to the client, and limits of the session are that one's own.
 */
export interface WebSocketRules {
  /** Silence from both sides for so long ends the session, in milliseconds. 0 or absent: no limit. */
  readonly idleMs?: number;
  /** Longest session, in milliseconds. 0 or absent: no limit. */
  readonly maxMs?: number;
  /** What one text message of the backend says of usage; all that is told in a session adds up. */
  usage?(message: Buffer): Usage | undefined;
  /** A text message of the backend by the name that the client asked for; undefined: as it is. */
  forClient?(message: Buffer, requestedModel: string): string | undefined;
  /** A text message of the client by the backend's own name; undefined: as it is. */
  forBackend?(message: Buffer, requestedModel: string, upstreamModel: string): string | undefined;
  /**
   * The client's headers as plugins and backends are to see them: browsers can send a credential only among the
   * subprotocols, and it has to be where credentials are looked for.
   */
  readHeaders?(headers: DownstreamRequest["headers"]): DownstreamRequest["headers"];
}

/** A member of the body, or of the object that is the member `within`. */
export interface ParameterPlace {
  readonly within?: string;
  readonly name: string;
}

/** All places where a parameter may stand, in every spelling that the dialect takes; to be written at the first. */
export interface ParameterPlaces {
  readonly temperature: readonly ParameterPlace[];
  /** The most tokens of one answer. */
  readonly outputLimit: readonly ParameterPlace[];
}

/** How errors and events look in one client dialect. */
export interface Dialect {
  readonly name: string;
  /** The body of an error reply; core adds status and headers. */
  errorBody(error: GatewayError, requestId: string): string;
  /** The event that ends a broken stream, complete with its blank line. `before` is the last named event before it. */
  errorEvent(error: GatewayError, requestId: string, before?: StreamEvent): string;
  /** What keeps a silent event stream open, complete with its blank line. Default: a comment. */
  readonly keepAlive?: string;
  /** Carries the request's id in replies, beside `x-request-id`. Lower-case. */
  readonly requestIdHeader?: string;
}

/**
 * What a client can ask for: one small object. Core serves the OpenAI ones; a plugin contributes other front doors
 * by `operations` of its setup. The chain runs the same for all.
 */
export interface Operation {
  readonly name: OperationName;
  readonly method: "GET" | "POST" | "DELETE";
  /**
   * First path is the canonical one. `/**` at the end matches the rest. `{model}` stands for the model's name, which
   * may hold slashes and colons.
   */
  readonly paths: readonly string[];
  /**
   * Lower-case name of a header: the operation is for requests that have it, and comes before others of its paths. For
   * a path that two dialects share.
   */
  readonly header?: string;
  readonly dialect: Dialect;
  /**
   * `none`: nothing is read, and no model is looked for: layers that need one are passed by. Who sends the request to a
   * backend names target and model by `next({ target, candidates, model })`.
   */
  readonly body: "json" | "multipart" | "none";
  /** The model's name, where neither body nor path has it. With `body: "none"` it makes the request one about a model. */
  modelOf?(request: DownstreamRequest): string | undefined;
  /**
   * The request is about no model: the candidates are the backends that have the operation, each as a whole, and layers
   * that need a model are passed by.
   */
  readonly modelless?: boolean;
  /**
   * The request brings further ones, and each of those passes the whole chain by itself. So layers let it by, save those
   * that say who asks and those under a condition that names it: nothing is counted, or waits for a slot, twice. It has
   * no deadline of its own either.
   */
  readonly carriesRequests?: boolean;
  /** `GET` with an upgrade to WebSocket; other requests of this path are refused with 426. */
  readonly websocket?: WebSocketRules;
  /**
   * `json` is read whole and checked, `jsonOrText` may also be plain text, `binary` flows through. Each may also come
   * as an event stream.
   */
  readonly reply: "json" | "jsonOrText" | "binary";
  /** The request may go out again after a failure (RFC 9110, section 9.2.2, and `docs/design.md`). */
  readonly replaySafe: boolean;
  /** True when this request asks for an event stream. Absent: the operation has none. */
  wantsStream?(body: JsonView, request: DownstreamRequest): boolean;
  /** How many answers are asked for; 1 when absent. */
  answers?(body: JsonView): number;
  /** True for operations whose backends may ignore the stream flag and answer JSON. */
  readonly streamOptional?: boolean;
  readonly stream?: StreamRules;
  /** Checks the fields and headers that core and plugins rely on; `model` is checked for all operations. */
  validate?(body: JsonView, request: DownstreamRequest, limits: ServerLimits): FieldFault | undefined;
  /**
   * Same dialect only: false for a whole JSON reply that is none, which counts as the backend's failure. Looked at
   * without a parse of more than the names at its top.
   */
  isAnswer?(reply: JsonView): boolean;
  /** Usage of a whole JSON reply. */
  usage?(reply: JsonView): Usage | undefined;
  /** The member of a reply that holds the model's name. Default: `model`. */
  readonly modelMember?: string;
  /** A body that is a list, and no object, is read as an object with this one member. Absent: it is refused. */
  readonly listMember?: string;
  /**
   * Members of the body that are for the gateway alone, taken out on the way to a backend of the same dialect. With
   * `model` among them the dialect has the model in the path.
   */
  readonly ownMembers?: readonly string[];
  /** Where requests have the parameters that layers read and adjust. Absent: no model is sampled for an answer. */
  readonly parameters?: ParameterPlaces;
  /** Multipart: other spellings of fields, with those in which they leave. */
  readonly fieldAliases?: Readonly<Record<string, string>>;
  /** Multipart: names of files held to `server.limits.imageBytes`. */
  readonly imageFiles?: readonly string[];
  /** The operation under whose name adapters map this one, where it is a second door to the same API. */
  readonly mappedAs?: OperationName;
  /**
   * What follows the path that the adapter maps, query included, e.g. `/resp_1/input_items?limit=5`: for what lies
   * below the resource of `mappedAs`.
   */
  pathBelow?(request: DownstreamRequest): string;
  /** How it is served by backends that do not have it. Absent: by none of them. */
  readonly bridge?: OperationBridge;
  /** Brings every backend's reply into the one shape that the operation promises. */
  normalizeReply?(reply: JsonObject, request: JsonObject): JsonObject;
  /**
   * The gateway answers itself, without a backend. Layers that need a model or candidates are passed by, since there
   * are none.
   */
  answer?(ctx: Context, router: Router): Reply | Promise<Reply>;
}

/** Where the request goes is found before the layers that need to know it. */
export function seeksTarget({ answer, body, modelless, modelOf }: Operation): boolean {
  return answer === undefined && (body !== "none" || modelless === true || modelOf !== undefined);
}

export function defineOperation(operation: Operation): Operation {
  return brand("operation", operation);
}
