/**
 * The contract of adapters, held against recorded exchanges (`_exchange.ts`) without a network. It stands in for core
 * where core does the work: it serialises, renames the model of same-dialect traffic and asks for usage.
 */
import { UnsupportedField } from "gatewright";
import type {
  Adapter,
  JsonObject,
  ListedModel,
  MappedRequest,
  MappingInfo,
  OperationMapping,
  OperationName,
  StandardSchemaV1,
  StreamFraming,
} from "gatewright";
import { describe, expect, it } from "vitest";
import type { FieldTable } from "gatewright";
import { NdjsonDecoder } from "../../core/src/stream/ndjson-decoder.ts";
import { rerank } from "../../core/src/operations/rerank.ts";
import { SseDecoder } from "../../core/src/stream/sse-decoder.ts";
import { NOW_SECONDS, REQUEST_ID, bytesOf, readExchanges } from "./_exchange.ts";
import type { Exchange, UpstreamRequest } from "./_exchange.ts";
import { HUB_FIELDS } from "./_hub-fields.ts";

/** What the suite needs beside the adapter and its exchanges. */
export interface AdapterKit {
  /** The backend's model list and what is read from it; absent where the backend has none. */
  models?: { body: unknown; listed: ListedModel[] };
  /** Stated fates of operations that are translated. */
  fates?: Partial<Record<OperationName, FateKit>>;
  /**
   * The backend speaks the operations' own dialect but for some fields: tables hold those alone, a mapping may
   * translate one direction, and streams keep the backend's own order of chunks.
   */
  sameDialect?: boolean;
}

export interface FateKit {
  table: FieldTable;
  /** The smallest valid request. */
  request: JsonObject;
  /** A value of each field that is not its default. */
  samples: JsonObject;
  /** The default of each field whose rule knows one. */
  defaults?: JsonObject;
  /** What the mapping depends on beside the request. */
  backend?: { model?: string; options?: JsonObject };
  /** The client's request, where it is sent inside of something else. */
  unwrap?(body: JsonObject): JsonObject;
  /** Translated fields that a request of their own does not show: an exchange that uses the field proves them. */
  byExchange?: readonly string[];
}

export function testAdapter<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  kit: AdapterKit,
): void {
  const exchanges = readExchanges(adapter.name);

  describe(`adapter ${adapter.name}`, () => {
    it("has absolute paths for operations, model list and health", () => {
      const paths = Object.values(adapter.operations).map((mapping) =>
        typeof mapping.path === "string" ? mapping.path : "/",
      );
      if (adapter.models) paths.push(adapter.models.path);
      if (adapter.health) paths.push(adapter.health.path);
      for (const path of paths) expect(path).toMatch(/^\//);
      if (typeof adapter.baseURL === "string") expect(URL.canParse(adapter.baseURL)).toBe(true);
    });

    it("translates replies and streams of every operation whose request it translates", () => {
      for (const mapping of Object.values(adapter.operations)) {
        if (kit.sameDialect) {
          if (mapping.stream) expect(mapping.fromResponse).toBeTypeOf("function");
          continue;
        }
        const translates = typeof mapping.toRequest;
        expect([translates, typeof mapping.fromResponse]).toEqual([translates, translates]);
        if (translates === "undefined") expect(mapping.stream).toBeUndefined();
      }
    });

    if (kit.models) {
      const { body, listed } = kit.models;
      it("reads the model list, and throws on what is none", () => {
        expect(adapter.models?.read(deepFreeze(body))).toEqual(listed);
        for (const broken of [null, [], "x", { models: 1, data: 1 }]) {
          expect(() => adapter.models?.read(broken)).toThrow();
        }
      });
    } else {
      it("has no model list", () => expect(adapter.models).toBeUndefined());
    }

    for (const exchange of exchanges) describe(exchange.title, () => testExchange(adapter, exchange, kit));
    testHostile(adapter, exchanges);
    for (const [operation, fates] of Object.entries(kit.fates ?? {})) {
      describe(`fields of ${operation}`, () =>
        testFates(adapter, operation as OperationName, fates, exchanges, kit.sameDialect));
    }
    it("states the fates of every operation that it translates", () => {
      const translated = Object.entries(adapter.operations).filter(
        ([, mapping]) => mapping.toRequest !== undefined,
      );
      expect(Object.keys(kit.fates ?? {}).sort()).toEqual(translated.map(([name]) => name).sort());
    });
  });
}

function testExchange<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
  kit: AdapterKit,
): void {
  const { upstream, hub } = exchange;

  if (hub.refused !== undefined) {
    it(`is refused, naming ${hub.refused}`, () => {
      expect(refusedField(() => write(adapter, exchange))).toBe(hub.refused);
    });
    return;
  }
  if (!upstream) throw new Error(`${exchange.id}: neither \`upstream\` nor \`hub.refused\``);
  const { reply } = upstream;

  it("writes the upstream request, the same each time", () => {
    const written = write(adapter, exchange);
    expect({ ...written.request, headers: {} }).toEqual({ ...upstream.request, headers: {} });
    expect(written.request.headers).toMatchObject(upstream.request.headers);
    expect(written.dropped).toEqual((hub.dropped ?? []).filter((field) => !isOfReply(field)));
    expect(write(adapter, exchange)).toEqual(written);
  });

  it("P: puts the key into headers of authentication alone", () => {
    const key = exchange.backend.apiKey;
    if (key === undefined) return;
    const { request } = write(adapter, exchange);
    const auth = Object.keys(adapter.auth(key, optionsOf(adapter, exchange)));
    // Or it is exchanged for something else, for each call.
    if (!adapter.authorize) expect(auth.length).toBeGreaterThan(0);
    const { headers, ...rest } = request;
    const others = Object.entries(headers).filter(([name]) => !auth.includes(name));
    expect(JSON.stringify([rest, others])).not.toContain(key);
  });

  if (hub.error) {
    const { read } = hub.error;
    it("reads the error", () => expect(readError(adapter, exchange)).toEqual(read));
  } else if (hub.reply) {
    const expected = hub.reply;
    it("reads the reply, the same each time, and names what it cannot carry", () => {
      const reported = new Set<string>();
      expect(readReply(adapter, exchange, (field) => reported.add(`reply.${field}`))).toEqual(expected);
      expect(readReply(adapter, exchange)).toEqual(expected);
      expect([...reported]).toEqual((hub.dropped ?? []).filter(isOfReply));
    });
  } else if (hub.stream && reply.chunks) {
    testStream(adapter, exchange, hub.stream, kit);
  } else {
    throw new Error(`${exchange.id}: \`hub\` and \`upstream.reply\` do not go together`);
  }

  const { bridged } = hub;
  if (!bridged) return;
  it("gives front doors in other dialects the hub's own words", () => {
    const mapping = mappingOf(adapter, exchange.operation);
    const info = infoOf(adapter, exchange);
    if (bridged.reply) expect(mapping.fromResponse?.(deepFreeze(reply.body!), info)).toEqual(bridged.reply);
    else expect(readTranslated(mapping, info, bytesOf(reply))).toEqual(bridged.stream);
  });
}

function testStream<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
  expected: JsonObject[],
  kit: AdapterKit,
): void {
  const bytes = Buffer.concat(bytesOf(exchange.upstream!.reply));
  const read = (pieces: readonly Uint8Array[]) => readStream(adapter, exchange, pieces);

  it("reads the stream, the same each time", () => {
    const pieces = bytesOf(exchange.upstream!.reply);
    expect(toClientView(read(pieces), exchange)).toEqual(expected);
    expect(toClientView(read(pieces), exchange)).toEqual(expected);
  });

  it("E1, E12: reads the same whatever byte it is cut at", () => {
    const whole = JSON.stringify(read([bytes]));
    for (let at = 1; at < bytes.length; at++) {
      expect(JSON.stringify(read([bytes.subarray(0, at), bytes.subarray(at)])), `cut at ${at}`).toBe(whole);
    }
    expect(JSON.stringify(read(Array.from(bytes, (byte) => Buffer.of(byte))))).toBe(whole);
    expect(whole).not.toContain("\uFFFD");
  });

  const translated = adapter.operations[exchange.operation]?.stream !== undefined;
  if (!translated || exchange.operation !== "chat" || kit.sameDialect) return;
  it("st-3: opens with the role alone, ends with the finish alone, then usage", () => {
    const events = read([bytes]);
    const failed = events.at(-1)?.["error"] !== undefined;
    const chunks = failed ? events.slice(0, -1) : events;
    for (const name of ["id", "created", "model", "object"]) {
      expect(new Set(chunks.map((chunk) => chunk[name])).size).toBeLessThanOrEqual(1);
    }
    const choices = chunks.flatMap(
      (chunk) => chunk["choices"] as { delta: object; finish_reason: unknown }[],
    );
    if (choices.length > 0) expect(choices[0]?.delta).toEqual({ role: "assistant" });
    const asked = (exchange.request["n"] as number | null | undefined) ?? 1;
    const finishes = choices.filter((choice) => choice.finish_reason !== null);
    if (failed || exchange.hub.truncated) {
      expect(finishes).toEqual([]);
      return;
    }
    expect(finishes).toHaveLength(asked);
    expect(choices.at(-1)).toMatchObject({ delta: {}, finish_reason: expect.any(String) as string });
    expect(Object.keys(choices.at(-1)?.delta ?? {})).toEqual([]);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { total_tokens: expect.any(Number) as number },
    });
  });
}

/** Neither side may break a mapping: whatever stands in the place of a value, it is carried, refused or an error. */
function testHostile<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchanges: readonly Exchange[],
): void {
  const translated = exchanges.filter(
    ({ operation }) => mappingOf(adapter, operation).toRequest !== undefined,
  );
  if (translated.length === 0) return;

  it("J: takes or refuses any JSON in any place of a request", () => {
    for (const exchange of translated) {
      for (const request of variantsOf(exchange.request)) {
        refusedField(() => write(adapter, { ...exchange, request: request as JsonObject }));
      }
    }
  });

  it("U: reads any JSON in any place of a reply, or says that it is no answer", () => {
    for (const exchange of translated) {
      const { body } = exchange.upstream?.reply ?? {};
      if (!exchange.hub.reply || !body) continue;
      const mapping = mappingOf(adapter, exchange.operation);
      for (const variant of variantsOf(body)) {
        const reply = deepFreeze(variant as JsonObject);
        if (adapter.errorInReply?.(reply, exchange.operation)) continue;
        if (!mapping.fromResponse) continue;
        expect(mapping.fromResponse(reply, infoOf(adapter, exchange))).toBeTypeOf("object");
      }
    }
  });

  it("U: reads any JSON in any place of a stream", () => {
    for (const exchange of translated) {
      const { stream } = mappingOf(adapter, exchange.operation);
      const info = infoOf(adapter, exchange);
      if (!stream || !exchange.hub.stream) continue;
      const lines: JsonObject[] = [];
      decode(stream.format, [Buffer.concat(bytesOf(exchange.upstream!.reply))], (json) => {
        lines.push(json);
      });
      for (const [index, line] of lines.entries()) {
        for (const variant of variantsOf(line)) {
          const state = stream.start(info);
          for (const event of lines.with(index, variant as JsonObject)) {
            expect(stream.event(state, deepFreeze(event), info)).toBeInstanceOf(Array);
          }
          expect(stream.end?.(state, info) ?? []).toBeInstanceOf(Array);
        }
      }
    }
  });
}

const INTRUDERS: readonly unknown[] = [null, true, -1, "", "x", [], [null], {}, { "": 0 }];

/** The value with each of its members, at any depth, replaced by each intruder in turn, or taken out. */
function* variantsOf(value: unknown): Generator {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const intruder of [...INTRUDERS, ...variantsOf(item)]) yield value.with(index, intruder);
      yield value.toSpliced(index, 1);
    }
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    for (const intruder of [...INTRUDERS, ...variantsOf(member)]) yield { ...value, [name]: intruder };
    const { [name]: _, ...rest } = value as JsonObject;
    yield rest;
  }
}

function testFates<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  operation: OperationName,
  kit: FateKit,
  exchanges: readonly Exchange[],
  deviationsAlone = false,
): void {
  const map = (request: JsonObject) => {
    const mapped = mapRequest(adapter, operation, request, kit.backend);
    return kit.unwrap ? { ...mapped, body: kit.unwrap(mapped.body) } : mapped;
  };
  const plain = map(kit.request);
  const required = Object.keys(kit.request);

  it("states a fate for each field that the hub knows", () => {
    if (deviationsAlone) return;
    expect((HUB_FIELDS[operation] ?? []).filter((name) => !Object.hasOwn(kit.table, name))).toEqual([]);
  });

  it("forwards a field that nobody knows", () => {
    const invented = { deep: [{ and: "strange" }] };
    expect(map({ ...kit.request, x_invented: invented }).body["x_invented"]).toEqual(invented);
  });

  for (const [name, rule] of Object.entries(kit.table)) {
    const sample = kit.samples[name];
    const request = { ...kit.request, [name]: sample };

    it(`${name}: ${rule.fate}`, () => {
      if (kit.byExchange?.includes(name)) {
        const proof = exchanges.filter((one) => one.operation === operation && name in one.request);
        expect(proof.length, "no exchange shows the field").toBeGreaterThan(0);
        return;
      }
      expect(sample, "the kit lacks a sample").toBeDefined();
      if (rule.fate === "refuse") {
        expect(refusedField(() => map(request))).toBe(name);
        return;
      }
      const { path, body, dropped } = map(request);
      const reported = (dropped ?? []).filter((field) => !plain.dropped?.includes(field));
      if (rule.fate === "forward") {
        expect(body).toEqual({ ...plain.body, [name]: sample });
        expect(reported).toEqual([]);
      } else if (rule.fate === "drop") {
        expect(body).toEqual(plain.body);
        expect(reported).toEqual([name]);
      } else if (name === "model") {
        // In the body, or in the path of dialects that have it there.
        expect(body["model"] ?? path).toContain(kit.backend?.model ?? "upstream-model");
      } else {
        const below = reported.filter((field) => field.startsWith(`${name}.`));
        expect([path, body, below]).not.toEqual([plain.path, plain.body, []]);
        expect(reported).toEqual(below);
      }
    });

    if (!required.includes(name)) {
      it(`in-3: ${name}: null is as good as absent`, () => {
        expect(map({ ...kit.request, [name]: null })).toEqual(plain);
      });
    }
    if (rule.isDefault) {
      it(`${name}: its default is left out without a word`, () => {
        expect(kit.defaults, "the kit lacks the default").toHaveProperty(name);
        expect(map({ ...kit.request, [name]: kit.defaults?.[name] })).toEqual(plain);
      });
    }
  }
}

/** The request as it would go out, and what was reported. */
function write<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
): { request: UpstreamRequest; dropped: readonly string[] } {
  const mapping = mappingOf(adapter, exchange.operation);
  const options = optionsOf(adapter, exchange);
  const info = infoOf(adapter, exchange);
  const mapped: MappedRequest = mapping.toRequest?.(deepFreeze(exchange.request), info) ?? {
    body: { ...exchange.request, model: info.model, ...(askUsage(mapping, info) && usageAsked(exchange)) },
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
      // As it travels: members that are undefined do not.
      body: JSON.parse(JSON.stringify(mapped.body)) as JsonObject,
    },
    dropped: mapped.dropped ?? [],
  };
}

function pathOf<Options>(
  { path }: Pick<OperationMapping<Options>, "path">,
  mapped: MappedRequest,
  info: MappingInfo<Options>,
): string {
  if (mapped.path !== undefined) return mapped.path;
  return typeof path === "string" ? path.replace("{model}", encodeURIComponent(info.model)) : path(info);
}

function askUsage(
  mapping: Pick<OperationMapping, "streamUsage">,
  info: Pick<MappingInfo, "stream">,
): boolean {
  return mapping.streamUsage === true && info.stream;
}

function usageAsked({ request }: Exchange): JsonObject {
  return { stream_options: { ...(request["stream_options"] as JsonObject), include_usage: true } };
}

function readError<Schema extends StandardSchemaV1>(adapter: Adapter<Schema>, exchange: Exchange): unknown {
  const { status, body } = exchange.upstream!.reply;
  deepFreeze(body);
  if (status < 300) return adapter.errorInReply?.(body!, exchange.operation);
  if (adapter.fromError) return adapter.fromError(status, body);
  // The shape that core reads by itself.
  const { error } = body as { error: JsonObject };
  return Object.fromEntries(Object.entries(error).filter(([, value]) => value !== null));
}

/** Core tells what of the answer was left out from what of the request. */
function isOfReply(field: string): boolean {
  return field.startsWith("reply.");
}

function readReply<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
  report?: MappingInfo["report"],
): unknown {
  const mapping = mappingOf(adapter, exchange.operation);
  const body = deepFreeze(exchange.upstream!.reply.body!);
  expect(adapter.errorInReply?.(body, exchange.operation)).toBeUndefined();
  // Without a translated request the reply passes as it is; `fromResponse` then serves other front doors.
  const read = mapping.toRequest && mapping.fromResponse?.(body, infoOf(adapter, exchange, report));
  const reply = renamed(read ?? body, exchange);
  return exchange.operation === "rerank" ? rerank.normalizeReply?.(reply, exchange.request) : reply;
}

function readStream<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
  pieces: readonly Uint8Array[],
): JsonObject[] {
  const mapping = mappingOf(adapter, exchange.operation);
  const events: JsonObject[] = [];
  if (mapping.toRequest && mapping.stream)
    events.push(...readTranslated(mapping, infoOf(adapter, exchange), pieces));
  else decode("sse", pieces, (json) => events.push(deepFreeze(json)));
  return events.map((event) => renamed(event, exchange));
}

function readTranslated<Options>(
  { stream }: OperationMapping<Options>,
  info: MappingInfo<Options>,
  pieces: readonly Uint8Array[],
): JsonObject[] {
  if (!stream) throw new Error("the mapping has no stream");
  const state = stream.start(info);
  const events: JsonObject[] = [];
  decode(stream.format, pieces, (json, type) => {
    events.push(...stream.event(state, deepFreeze(json), info, type));
  });
  return [...events, ...(stream.end?.(state, info) ?? [])];
}

/** Hands out each event of a body that arrives in pieces. */
function decode(
  format: "sse" | "ndjson" | StreamFraming,
  pieces: readonly Uint8Array[],
  takeJson: (json: JsonObject, type?: string) => void,
): void {
  if (typeof format === "object") {
    const decoder = format.create();
    for (const piece of pieces) decoder.push(piece, takeJson);
    decoder.end(takeJson);
    return;
  }
  const take = (data: string, type?: string) => takeJson(JSON.parse(data) as JsonObject, type);
  if (format === "ndjson") {
    const decoder = new NdjsonDecoder();
    for (const piece of pieces) decoder.push(piece, take);
    decoder.end(take);
    return;
  }
  const decoder = new SseDecoder();
  const takeBlock = ({ data, type }: { data: string | null; type: string | undefined }) => {
    if (data !== null && data !== "[DONE]") take(data, type);
  };
  for (const piece of pieces) decoder.push(piece, takeBlock);
  decoder.end(takeBlock);
}

/** Without the usage chunk, unless the client asked for it: core takes it out. */
function toClientView(events: readonly JsonObject[], { operation, request }: Exchange): JsonObject[] {
  const asked =
    (request["stream_options"] as { include_usage?: boolean } | undefined)?.include_usage === true;
  if (asked || (operation !== "chat" && operation !== "completions")) return [...events];
  return events.filter(({ choices, usage }) => !(Array.isArray(choices) && choices.length === 0 && usage));
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

function mapRequest<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  operation: OperationName,
  request: JsonObject,
  backend: FateKit["backend"],
): MappedRequest & { path: string } {
  const exchange: Exchange = {
    id: "",
    title: "",
    operation,
    backend: { model: "upstream-model", options: {}, ...backend },
    request: { model: "client-model", ...request },
    hub: {},
  };
  const mapping = mappingOf(adapter, operation);
  const info = infoOf(adapter, exchange);
  const mapped = mapping.toRequest!(deepFreeze(exchange.request), info);
  const body = JSON.parse(JSON.stringify(mapped.body)) as JsonObject;
  return { path: pathOf(mapping, mapped, info), body, dropped: mapped.dropped ?? [] };
}

function mappingOf<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  operation: OperationName,
): OperationMapping<StandardSchemaV1.InferOutput<Schema>> {
  const mapping = adapter.operations[operation];
  if (!mapping) throw new Error(`adapter ${adapter.name} has no operation ${operation}`);
  return mapping;
}

function infoOf<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
  report: MappingInfo["report"] = () => {},
): MappingInfo<StandardSchemaV1.InferOutput<Schema>> {
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
function optionsOf<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  exchange: Exchange,
): StandardSchemaV1.InferOutput<Schema> {
  const result = adapter.options?.["~standard"].validate(exchange.backend.options);
  if (result === undefined) return {};
  if (result instanceof Promise || result.issues)
    throw new Error(`${exchange.id}: the backend's options are wrong`);
  return result.value;
}

/** The field that a mapping refused; undefined when it refused nothing. */
export function refusedField(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof UnsupportedField) return error.field;
    throw error;
  }
  return undefined;
}

/** Mappings are pure: one that writes to its input fails here. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
