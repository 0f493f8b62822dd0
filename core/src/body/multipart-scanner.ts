import { GatewayError } from "../errors.ts";

export interface MultipartBounds {
  /** Bytes of one part. */
  partBytes: number;
  parts: number;
  partHeaderBytes: number;
}

export interface MultipartPart {
  name: string;
  filename: string | undefined;
}

/** What the scanner finds. Offsets count bytes from the start of the body. */
export interface MultipartEvents {
  onPart?(part: MultipartPart): void;
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
  const match = /;\s*boundary=(?:"([^"\r\n]*)"|([^\s;"]+))\s*(?:;|$)/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2] ?? "";
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
    if (this.#state === "epilogue") return;
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
      if (data.length > this.#bounds.partHeaderBytes)
        throw invalid("The multipart body has no opening boundary");
      return;
    }
    this.#partBytes += data.length;
    if (this.#partBytes > this.#bounds.partBytes)
      throw new GatewayError("request_too_large", {
        param: this.#part!.name,
        message: `The part \`${this.#part!.name}\` is larger than ${this.#bounds.partBytes} bytes`,
      });
    if (this.#part!.filename !== undefined) return;
    if (this.#partBytes > MAX_FIELD_BYTES)
      throw new GatewayError("request_too_large", {
        param: this.#part!.name,
        message: `The field \`${this.#part!.name}\` is larger than ${MAX_FIELD_BYTES} bytes`,
      });
    this.#field.push(Buffer.from(data));
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
    this.#events.onPart?.(this.#part);
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

function readPartHeaders(text: string): MultipartPart {
  const disposition = text
    .split("\r\n")
    .find((line) => line.toLowerCase().startsWith("content-disposition:"));
  const name = disposition && parameter(disposition, "name");
  if (name === undefined) throw invalid("A part of the multipart body has no name");
  return { name, filename: parameter(disposition!, "filename") };
}

function parameter(header: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(header);
  return match?.[1]?.replaceAll(/\\(.)/g, "$1").replaceAll("%22", '"') ?? match?.[2];
}

function invalid(message: string): GatewayError {
  return new GatewayError("invalid_request", { message });
}
