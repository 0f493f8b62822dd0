import { GatewayError } from "../errors.ts";
import { isEmpty } from "../field-table.ts";
import type { JsonObject } from "../operation.ts";
import { boundaryOf, MultipartScanner, type MultipartBounds } from "./multipart-scanner.ts";
import { typeOfValue, type JsonType } from "./json-view.ts";
import type { RequestBody } from "./request-body.ts";
import { Spool } from "./spool.ts";

/** A multipart body on its way to a backend. */
export interface SentMultipart {
  /** Read from its beginning each time, where the body is replayable. */
  chunks: AsyncIterable<Uint8Array>;
  contentType: string;
  /** Known when the client stated its own. */
  contentLength: number | undefined;
}

interface Source {
  contentType: string;
  contentLength: number | undefined;
  /** The whole body, when it was spooled. */
  spool: Spool | undefined;
  /** What was read to find the fields, and the rest that still comes. */
  head: Uint8Array[];
  rest: AsyncIterator<Uint8Array> | undefined;
  /** What is not spooled can be sent once. */
  opened: boolean;
  scanner: MultipartScanner;
  /** Where the value of `model` stands, and what it is. */
  model: { start: number; end: number; value: string } | undefined;
  /** Names that leave in another spelling. */
  renames: readonly Span[];
}

/** Bytes of the body, and what stands in their place when it is sent. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * A multipart body: text fields are known, files pass through. Where `model` stands before the first file the rest
 * flows straight from the client to the backend, and can be sent once; otherwise the whole is spooled first.
 */
export class MultipartBody implements RequestBody {
  readonly kind = "multipart";
  readonly bytes = undefined;
  readonly json: JsonObject;
  readonly #source: Source;

  constructor(source: Source, json: JsonObject) {
    this.#source = source;
    this.json = json;
  }

  get replayable(): boolean {
    return this.#source.spool !== undefined;
  }

  get(name: string): unknown {
    return this.json[name];
  }

  /** Fields are text. */
  view(): undefined {
    return undefined;
  }

  mayHoldKey(): boolean {
    return false;
  }

  mayHoldText(): boolean {
    return false;
  }

  typeOf(name: string): JsonType {
    return typeOfValue(this.json[name]);
  }

  isEmpty(name: string): boolean {
    return isEmpty(this.json[name]);
  }

  /** Only `model` can be changed: other fields would need the parts written anew. */
  with(fields: JsonObject): MultipartBody {
    const other = Object.keys(fields).find((name) => name !== "model");
    if (other !== undefined)
      throw new GatewayError("internal_error", {
        cause: new Error(`a plugin changed \`${other}\` of a multipart body`),
      });
    return new MultipartBody(this.#source, { ...this.json, ...fields });
  }

  /** The body as it goes to a backend, with the backend's name of the model; an empty one leaves the client's. */
  open({ model }: { model: string }): SentMultipart {
    const source = this.#source;
    if (!source.spool) {
      if (source.opened)
        throw new GatewayError("provider_error", {
          message: "The upload was sent once and cannot be sent again",
        });
      source.opened = true;
    }
    const named = source.model;
    const spans = [...source.renames];
    if (named && model !== "" && named.value !== model)
      spans.push({ start: named.start, end: named.end, text: model });
    spans.sort((a, b) => a.start - b.start);
    const read = (): AsyncIterable<Uint8Array> =>
      spans.reduceRight(replaceSpan, source.spool ? source.spool.read() : flow(source));
    let length = source.spool?.length ?? source.contentLength;
    for (const { start, end, text } of spans)
      if (length !== undefined) length += Buffer.byteLength(text) - (end - start);
    return {
      chunks: { [Symbol.asyncIterator]: () => read()[Symbol.asyncIterator]() },
      contentType: source.contentType,
      contentLength: length,
    };
  }

  async close(): Promise<void> {
    await this.#source.spool?.close();
    await this.#source.rest?.return?.();
  }
}

export function isMultipartBody(body: RequestBody): body is MultipartBody {
  return body.kind === "multipart";
}

export interface MultipartInput {
  contentType: string;
  contentLength: number | undefined;
  chunks: AsyncIterable<Uint8Array>;
  bounds: MultipartBounds;
  /** Most bytes that are kept until the model is known. */
  spoolBytes: number;
  /** Other spellings of fields, by theirs; they leave in their own. */
  aliases?: Readonly<Record<string, string>> | undefined;
  /** No model is waited for. */
  modelless?: boolean | undefined;
}

/** Reads up to the first file when `model` came before it, else all. Throws 400 and 413 as the bounds say. */
export async function readMultipartBody(input: MultipartInput): Promise<MultipartBody> {
  const fields: JsonObject = Object.create(null) as JsonObject;
  let model: Source["model"];
  const renames: Span[] = [];
  let fileSeen = false;
  let sent = false;
  const scanner = new MultipartScanner(boundaryOf(input.contentType), input.bounds, {
    onPart: (part, headers) => {
      fileSeen ||= part.filename !== undefined;
      const text = aliasOf(part.name);
      if (text === undefined) return;
      // What came before is on its way already, its length told.
      if (sent) throw lateAlias(part.name, text);
      const parameter = NAME_PARAMETER.exec(headers.text)!;
      const start = headers.start + parameter.index + parameter[0].length;
      renames.push({ start, end: start + part.name.length, text });
    },
    onField: (given, value, start, end) => {
      const name = aliasOf(given) ?? given;
      if (name === "model") {
        if (model)
          throw new GatewayError("duplicate_field", { param: "model", message: "`model` is given twice" });
        model = { start, end, value };
      }
      addField(fields, name, value);
    },
  });

  const iterator = input.chunks[Symbol.asyncIterator]();
  const source = (rest: Partial<Source>): Source => ({
    contentType: input.contentType,
    contentLength: input.contentLength,
    spool: undefined,
    head: [],
    rest: undefined,
    opened: false,
    scanner,
    model,
    renames,
    ...rest,
  });
  const head: Uint8Array[] = [];
  while (!fileSeen) {
    const next = await iterator.next();
    if (next.done) break;
    scanner.push(next.value);
    head.push(next.value);
  }
  if (fileSeen && (input.modelless || model)) {
    sent = true;
    return new MultipartBody(source({ head, rest: iterator }), fields);
  }
  return new MultipartBody(source({ spool: await spoolAll() }), fields);

  function aliasOf(name: string): string | undefined {
    const { aliases } = input;
    return aliases && Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  }

  /** What was read, and all that still comes. */
  async function spoolAll(): Promise<Spool> {
    const { contentLength, spoolBytes } = input;
    if (contentLength !== undefined && contentLength > spoolBytes) throw tooLarge(spoolBytes);
    const spool = new Spool();
    const keep = (chunk: Uint8Array): Promise<void> => {
      if (spool.length + chunk.length > spoolBytes) throw tooLarge(spoolBytes);
      return spool.write(chunk);
    };
    try {
      for (const chunk of head) await keep(chunk);
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        scanner.push(next.value);
        await keep(next.value);
      }
      scanner.end();
    } catch (error) {
      await spool.close();
      throw error;
    }
    return spool;
  }
}

/** Up to the name of a part in its headers. */
const NAME_PARAMETER = /^content-disposition:[^\r\n]*?[; \t]name="?/im;

function lateAlias(name: string, text: string): GatewayError {
  return new GatewayError("invalid_request", {
    param: text,
    message: `\`${name}\` stands behind the file: put it before, or spell it \`${text}\``,
  });
}

function tooLarge(spoolBytes: number): GatewayError {
  return new GatewayError("request_too_large", {
    param: "model",
    message:
      `The upload is larger than ${spoolBytes} bytes, and no more is kept until the model is known: ` +
      "put `model` before the files",
  });
}

/** Repeated fields, also those written `name[]`, become lists. */
function addField(fields: JsonObject, name: string, value: string): void {
  const present = fields[name];
  if (present === undefined) fields[name] = value;
  else if (Array.isArray(present)) present.push(value);
  else fields[name] = [present, value];
}

/** What was read already, then the rest as it comes, still checked. */
async function* flow({ head, rest, scanner }: Source): AsyncGenerator<Uint8Array> {
  yield* head.splice(0);
  for (let next = await rest!.next(); !next.done; next = await rest!.next()) {
    scanner.push(next.value);
    yield next.value;
  }
  scanner.end();
}

/** Spans are replaced from the last to the first, so that each finds its place as it was. */
async function* replaceSpan(
  chunks: AsyncIterable<Uint8Array>,
  { start, end, text }: Span,
): AsyncGenerator<Uint8Array> {
  const value = Buffer.from(text);
  let offset = 0;
  for await (const chunk of chunks) {
    const from = offset;
    offset += chunk.length;
    if (offset <= start || from >= end) {
      yield chunk;
      continue;
    }
    if (from <= start) {
      if (start > from) yield chunk.subarray(0, start - from);
      yield value;
    }
    if (offset > end) yield chunk.subarray(end - from);
  }
}
