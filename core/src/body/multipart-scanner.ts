import { GatewayError } from "../errors.ts";

export interface MultipartBounds {
  /** Bytes of one part. */
  partBytes: number;
  parts: number;
  partHeaderBytes: number;
  /** Bytes of the files of some names, where they may have less; over it the request is wrong, not only large. */
  fileBytes?: { readonly names: readonly string[]; readonly limit: number };
}

export interface MultipartPart {
  name: string;
  filename: string | undefined;
}

/** The headers of a part as they stand in the body, a character for each byte. */
export interface PartHeaders {
  readonly text: string;
  readonly start: number;
}

/** What the scanner finds. Offsets count bytes from the start of the body. */
export interface MultipartEvents {
  onPart?(part: MultipartPart, headers: PartHeaders): void;
  /** A part without a file name, whole. */
  onField?(name: string, value: string, start: number, end: number): void;
}

const CRLF = Buffer.from("\r\n");
const HEADER_END = Buffer.from("\r\n\r\n");
const DASH = 0x2d;

/** Longest text field that is kept; longer ones are refused, since fields are held in memory. */
const MAX_FIELD_BYTES = 256 * 1024;

/**
 * The boundary of a `multipart/form-data` content type. RFC 2046, section 5.1.1: 1 to 70 characters of a small set,
 * not ending in a space. Anything else is refused, also a boundary of dashes alone, which delimits nothing.
 */
export function boundaryOf(contentType: string): string {
  const boundary = readParameters(contentType)?.get("boundary") ?? "";
  if (!/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary) || /^-+$/.test(boundary))
    throw invalid("The multipart content type has no valid boundary");
  return boundary;
}

/**
 * Reads a multipart body as it passes (RFC 7578), holding no more than a part's headers or a text field. It does not
 * change or keep the bytes; whoever pushes them sends them on.
 */
export class MultipartScanner {
  readonly #delimiter: Buffer;
  readonly #bounds: MultipartBounds;
  readonly #events: MultipartEvents;
  #state: "delimiter" | "headers" | "data" | "epilogue" = "data";
  /** Bytes seen and not yet decided on, and where they stand in the body. */
  #rest: Buffer;
  #restAt: number;
  #parts = 0;
  #part: MultipartPart | undefined;
  #partBytes = 0;
  #field: Buffer[] = [];
  #fieldAt = 0;
  #preamble = true;
  /** Bytes before the first part and behind the last, which belong to nobody. */
  #outside = 0;

  constructor(boundary: string, bounds: MultipartBounds, events: MultipartEvents) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#bounds = bounds;
    this.#events = events;
    // The first delimiter needs no line end before it: as if one stood there.
    this.#rest = CRLF;
    this.#restAt = -CRLF.length;
  }

  /** The closing delimiter was seen. */
  get complete(): boolean {
    return this.#state === "epilogue";
  }

  push(chunk: Uint8Array): void {
    if (this.#state === "epilogue") {
      this.#countOutside(chunk.length);
      return;
    }
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#step());
  }

  /** Throws when the body ended before its closing delimiter. */
  end(): void {
    if (!this.complete) throw invalid("The multipart body ends before its closing boundary");
  }

  #step(): boolean {
    switch (this.#state) {
      case "data":
        return this.#readData();
      case "delimiter":
        return this.#readDelimiterEnd();
      case "headers":
        return this.#readHeaders();
      case "epilogue":
        return false;
    }
  }

  #readData(): boolean {
    const at = this.#rest.indexOf(this.#delimiter);
    const safe = at >= 0 ? at : Math.max(0, this.#rest.length - this.#delimiter.length + 1);
    if (safe > 0) {
      this.#takeData(this.#rest.subarray(0, safe));
      this.#drop(safe);
    }
    if (at < 0) return false;
    this.#endPart();
    this.#drop(this.#delimiter.length);
    this.#state = "delimiter";
    return true;
  }

  #takeData(data: Buffer): void {
    if (this.#preamble) {
      this.#countOutside(data.length);
      return;
    }
    this.#partBytes += data.length;
    if (this.#partBytes > this.#bounds.partBytes)
      throw new GatewayError("request_too_large", {
        param: this.#part!.name,
        message: `The part \`${this.#part!.name}\` is larger than ${this.#bounds.partBytes} bytes`,
      });
    if (this.#part!.filename !== undefined) {
      this.#checkFile(this.#part!.name);
      return;
    }
    if (this.#partBytes > MAX_FIELD_BYTES)
      throw new GatewayError("request_too_large", {
        param: this.#part!.name,
        message: `The field \`${this.#part!.name}\` is larger than ${MAX_FIELD_BYTES} bytes`,
      });
    this.#field.push(Buffer.from(data));
  }

  #checkFile(name: string): void {
    const { fileBytes } = this.#bounds;
    if (!fileBytes || this.#partBytes <= fileBytes.limit || !fileBytes.names.includes(name)) return;
    throw new GatewayError("invalid_request", {
      param: name.replace("[]", ""),
      message: `The file \`${name}\` is larger than ${fileBytes.limit} bytes`,
    });
  }

  #countOutside(bytes: number): void {
    this.#outside += bytes;
    if (this.#outside > this.#bounds.partHeaderBytes)
      throw invalid("The multipart body holds too much outside of its parts");
  }

  #endPart(): void {
    const part = this.#part;
    if (part && part.filename === undefined) {
      const value = Buffer.concat(this.#field);
      this.#events.onField?.(part.name, value.toString("utf8"), this.#fieldAt, this.#fieldAt + value.length);
    }
    this.#part = undefined;
    this.#preamble = false;
  }

  #readDelimiterEnd(): boolean {
    if (this.#rest.length < 2) return false;
    if (this.#rest[0] === DASH && this.#rest[1] === DASH) {
      this.#state = "epilogue";
      this.#countOutside(this.#rest.length - 2);
      this.#rest = Buffer.alloc(0);
      return false;
    }
    const lineEnd = this.#rest.indexOf(CRLF);
    if (lineEnd < 0) {
      if (this.#rest.length > 256) throw invalid("The multipart boundary line does not end");
      return false;
    }
    if (this.#rest.subarray(0, lineEnd).toString("latin1").trim() !== "")
      throw invalid("The multipart boundary line holds other text");
    this.#drop(lineEnd);
    this.#state = "headers";
    return true;
  }

  #readHeaders(): boolean {
    // The line end of the boundary line is still there, so that a part without headers is found as well.
    const end = this.#rest.indexOf(HEADER_END);
    if (end < 0 || end > this.#bounds.partHeaderBytes) {
      if (this.#rest.length > this.#bounds.partHeaderBytes)
        throw new GatewayError("request_too_large", {
          message: `The headers of a part are larger than ${this.#bounds.partHeaderBytes} bytes`,
        });
      return false;
    }
    if (++this.#parts > this.#bounds.parts)
      throw new GatewayError("request_too_large", {
        message: `The body has more than ${this.#bounds.parts} parts`,
      });
    this.#part = readPartHeaders(this.#rest.subarray(0, end).toString("utf8"));
    this.#events.onPart?.(this.#part, {
      text: this.#rest.toString("latin1", 0, end),
      start: this.#restAt,
    });
    this.#drop(end + HEADER_END.length);
    this.#partBytes = 0;
    this.#field = [];
    this.#fieldAt = this.#restAt;
    this.#state = "data";
    return true;
  }

  #drop(count: number): void {
    this.#rest = this.#rest.subarray(count);
    this.#restAt += count;
  }
}

/** Refuses what two readers could take for two different parts. */
function readPartHeaders(text: string): MultipartPart {
  const lines = text.split("\r\n").filter((line) => /^content-disposition:/i.test(line));
  const params = lines.length === 1 ? readParameters(lines[0]!) : undefined;
  const name = params?.get("name");
  if (name === undefined || /[\r\n\0]/.test(text.replaceAll("\r\n", "")))
    throw invalid("A part of the multipart body has no name, or its headers are not valid");
  return { name, filename: params!.get("filename") ?? params!.get("filename*") };
}

/**
 * What stands behind the first `;` of a header: names, in lower case, with tokens or quoted texts (RFC 9110, section
 * 5.6.6). Undefined where it is anything else, or names one twice.
 */
function readParameters(header: string): Map<string, string> | undefined {
  const params = new Map<string, string>();
  const start = header.indexOf(";");
  if (start < 0) return params;
  const pattern = /;[ \t]*([!#$%&'*+.^`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))[ \t]*|;[ \t]*$/y;
  pattern.lastIndex = start;
  while (pattern.lastIndex < header.length) {
    const match = pattern.exec(header);
    if (!match) return undefined;
    const [, given, quoted, token] = match;
    if (given === undefined) break;
    const name = given.toLowerCase();
    if (params.has(name)) return undefined;
    params.set(name, quoted?.replaceAll(/\\(.)/g, "$1").replaceAll("%22", '"') ?? token!);
  }
  return params;
}

function invalid(message: string): GatewayError {
  return new GatewayError("invalid_request", { message });
}
