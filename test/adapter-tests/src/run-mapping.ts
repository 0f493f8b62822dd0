/**
 * Runs an adapter's mappings without a network, in the place of core where core does the work: it serialises, renames
 * the model of same-dialect traffic and asks for usage.
 */
import {
  coreOperations,
  isSecret,
  NdjsonDecoder,
  revealSecret,
  SseDecoder,
  UnsupportedField,
} from "gatewright";
import type {
  Adapter,
  JsonObject,
  MappedRequest,
  MappingInfo,
  Operation,
  OperationMapping,
  OperationName,
  StreamFraming,
} from "gatewright";
import { travelled } from "./check.ts";
import { NOW_SECONDS, REQUEST_ID } from "./exchange.ts";
import type { Exchange, UpstreamRequest } from "./exchange.ts";

/** The request as it would go out, and what was reported. */
export function writeRequest(
  adapter: Adapter,
  exchange: Exchange,
): { request: UpstreamRequest; dropped: readonly string[] } {
  const mapping = mappingOf(adapter, exchange.operation);
  const options = optionsOf(adapter, exchange);
  const info = infoOf(adapter, exchange);
  const mapped: MappedRequest = mapping.toRequest?.(deepFreeze(exchange.request), info) ?? {
    body: {
      ...exchange.request,
      model: info.model,
      ...(mapping.streamUsage && info.stream && askUsage(exchange)),
    },
  };
  return {
    request: {
      method: "POST",
      path: pathOf(mapping, mapped, info),
      headers: {
        ...adapter.headers?.(options),
        ...adapter.auth(exchange.backend.apiKey, options),
        ...mapped.headers,
      },
      body: travelled(mapped.body) as JsonObject,
    },
    dropped: mapped.dropped ?? [],
  };
}

function askUsage({ request }: Exchange): JsonObject {
  return { stream_options: { ...(request["stream_options"] as JsonObject), include_usage: true } };
}

function pathOf({ path }: Pick<OperationMapping, "path">, mapped: MappedRequest, info: MappingInfo): string {
  if (mapped.path !== undefined) return mapped.path;
  return typeof path === "string" ? path.replace("{model}", encodeURIComponent(info.model)) : path(info);
}

/** A request that is no exchange, as it would go out. */
export function mapRequest(
  adapter: Adapter,
  operation: OperationName,
  request: JsonObject,
  backend: { model?: string; options?: JsonObject } = {},
): { path: string; body: JsonObject; dropped: readonly string[] } {
  const exchange: Exchange = {
    id: "",
    title: "",
    operation,
    backend: { model: "upstream-model", options: {}, ...backend },
    request: { model: "client-model", ...request },
    hub: {},
  };
  const { request: written, dropped } = writeRequest(adapter, exchange);
  return { path: written.path, body: written.body, dropped };
}

/** What the adapter reads out of the recorded error. */
export function readError(adapter: Adapter, { upstream, operation }: Exchange): unknown {
  const { status, body } = upstream!.reply;
  deepFreeze(body);
  if (status < 300) return adapter.errorInReply?.(body!, operation);
  const told = adapter.fromError?.(status, body);
  if (told) return told;
  // The shapes that core reads by itself.
  const { error, detail, message } = body as JsonObject;
  if (typeof error === "string") return { message: error };
  if (!error && message === undefined) return detail === undefined ? {} : { message: detail };
  return Object.fromEntries(Object.entries(error ?? body!).filter(([, value]) => value !== null));
}

/** The recorded reply as the client gets it. */
export function readReply(adapter: Adapter, exchange: Exchange, report?: MappingInfo["report"]): unknown {
  const mapping = mappingOf(adapter, exchange.operation);
  const body = deepFreeze(exchange.upstream!.reply.body!);
  const error = adapter.errorInReply?.(body, exchange.operation);
  if (error) throw new Error(`errorInReply takes the reply for an error: ${JSON.stringify(error)}`);
  // Without a translated request the reply passes as it is; `fromResponse` then serves other front doors.
  const read = mapping.toRequest && mapping.fromResponse?.(body, infoOf(adapter, exchange, report));
  const reply = renamed(read ?? body, exchange);
  return frontDoorOf(exchange.operation)?.normalizeReply?.(reply, exchange.request) ?? reply;
}

/** The operation as core has it; undefined for one that a plugin contributes. */
export function frontDoorOf(name: OperationName): Operation | undefined {
  return coreOperations.find((operation) => operation.name === name);
}

/** The recorded stream as core gets it, its bytes arriving in these pieces, which may be its beginning alone. */
export function readStream(
  adapter: Adapter,
  exchange: Exchange,
  pieces: readonly Uint8Array[],
  isWhole = true,
): JsonObject[] {
  const mapping = mappingOf(adapter, exchange.operation);
  const events: JsonObject[] = [];
  if (mapping.toRequest && mapping.stream)
    events.push(...readTranslated(mapping, infoOf(adapter, exchange), pieces, isWhole));
  else decode("sse", pieces, (json) => events.push(deepFreeze(json)), isWhole);
  return events.map((event) => renamed(event, exchange));
}

/** The stream as `stream` of the mapping reads it. */
export function readTranslated(
  { stream }: OperationMapping,
  info: MappingInfo,
  pieces: readonly Uint8Array[],
  isWhole = true,
): JsonObject[] {
  if (!stream) throw new Error("the mapping has no stream");
  const state = stream.start(info);
  const events: JsonObject[] = [];
  const take = (json: JsonObject, type?: string) =>
    void events.push(...stream.event(state, deepFreeze(json), info, type));
  decode(stream.format, pieces, take, isWhole);
  return isWhole ? [...events, ...(stream.end?.(state, info) ?? [])] : events;
}

/** Hands out each event of a body that arrives in pieces. */
export function decode(
  format: "sse" | "ndjson" | StreamFraming,
  pieces: readonly Uint8Array[],
  takeJson: (json: JsonObject, type?: string) => void,
  isWhole = true,
): void {
  if (typeof format === "object") {
    const decoder = format.create();
    for (const piece of pieces) decoder.push(piece, takeJson);
    if (isWhole) decoder.end(takeJson);
    return;
  }
  const take = (data: string, type?: string) => takeJson(JSON.parse(data) as JsonObject, type);
  if (format === "ndjson") {
    const decoder = new NdjsonDecoder();
    for (const piece of pieces) decoder.push(piece, take);
    if (isWhole) decoder.end(take);
    return;
  }
  const decoder = new SseDecoder();
  const takeBlock = ({ data, type }: { data: string | null; type: string | undefined }) => {
    if (data !== null && data !== "[DONE]") take(data, type);
  };
  for (const piece of pieces) decoder.push(piece, takeBlock);
  if (isWhole) decoder.end(takeBlock);
}

/** Without usage, unless the client asked for it: core takes it out, and the chunk that is nothing else. */
export function toClientView(
  events: readonly JsonObject[],
  { operation, request }: Exchange,
): readonly JsonObject[] {
  const asked =
    (request["stream_options"] as { include_usage?: boolean } | undefined)?.include_usage === true;
  if (asked || (operation !== "chat" && operation !== "completions")) return events;
  return events
    .filter(({ choices, usage }) => !(Array.isArray(choices) && choices.length === 0 && usage))
    .map((event) => {
      if (event["usage"] === undefined) return event;
      const { usage: _, ...rest } = event;
      return rest;
    });
}

/** Same dialect: the model's name set back to the one that the client used. */
function renamed(json: JsonObject, exchange: Exchange): JsonObject {
  const back = (object: JsonObject): JsonObject =>
    typeof object["model"] === "string" ? { ...object, model: exchange.request["model"] } : object;
  const { response } = json;
  return back(
    typeof response === "object" && response ? { ...json, response: back(response as JsonObject) } : json,
  );
}

export function mappingOf(adapter: Adapter, operation: OperationName): OperationMapping {
  const mapping = adapter.operations[operation];
  if (!mapping) throw new Error(`adapter ${adapter.name} has no operation ${operation}`);
  return mapping;
}

export function infoOf(
  adapter: Adapter,
  exchange: Exchange,
  report: MappingInfo["report"] = () => {},
): MappingInfo {
  return deepFreeze({
    operation: exchange.operation,
    model: exchange.backend.model,
    requestedModel: String(exchange.request["model"]),
    stream: exchange.request["stream"] === true,
    options: optionsOf(adapter, exchange),
    requestId: REQUEST_ID,
    nowSeconds: NOW_SECONDS,
    request: exchange.request,
    report,
  });
}

/** The backend's options as config gives them: checked, defaults applied. */
export function optionsOf(adapter: Adapter, { id, backend }: Exchange): Record<string, unknown> {
  const result = adapter.options?.["~standard"].validate(backend.options);
  if (result === undefined) return {};
  if (result instanceof Promise || result.issues) throw new Error(`${id}: the backend's options are wrong`);
  return result.value as Record<string, unknown>;
}

/** Everything that nobody may be told: the key, and options that are secrets. */
export function secretsOf(adapter: Adapter, exchange: Exchange): string[] {
  const { apiKey } = exchange.backend;
  return [...(apiKey === undefined ? [] : [apiKey]), ...secretsIn(optionsOf(adapter, exchange))];
}

function secretsIn(value: unknown): string[] {
  if (isSecret(value)) return [revealSecret(value)];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(secretsIn);
}

/** The error with which a mapping refuses a field; undefined when it refused nothing. */
export function refusalOf(run: () => unknown): UnsupportedField | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof UnsupportedField) return error;
    throw error;
  }
  return undefined;
}

/** The field that a mapping refused; undefined when it refused nothing. */
export function refusedField(run: () => unknown): string | undefined {
  return refusalOf(run)?.field;
}

/** Mappings are pure: one that writes to its input fails on a frozen one. */
export function deepFreeze<T>(value: T): T {
  // A view of bytes cannot be frozen.
  if (ArrayBuffer.isView(value)) return value;
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
