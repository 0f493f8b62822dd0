import { EventStreamCodec } from "@smithy/eventstream-codec";
import { isJsonObject, parseJson } from "gatewright";
import type { JsonObject, StreamDecoder, StreamFraming } from "gatewright";

/**
 * Amazon's binary event stream: https://smithy.io/2.0/aws/amazon-eventstream.html
 * An event is handed on under its name, as in `{contentBlockDelta: {…}}`, and an exception or error of the service as
 * `{exception: {name, message, …}}`.
 */
export const amazonEventStream: StreamFraming = {
  contentType: "application/vnd.amazon.eventstream",
  create: () => new FrameDecoder(),
};

/** Lengths and sums of a frame that holds nothing. */
const MIN_FRAME_BYTES = 16;
/** Largest frame that is believed, as in Amazon's own C library (aws-c-event-stream). */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
  (text) => Buffer.from(text),
);

/** Takes frames apart, and checks both of their sums. A frame that is unfinished at the end says nothing. */
class FrameDecoder implements StreamDecoder {
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Bytes without which nothing more can be read. */
  #needed = LENGTH_BYTES;

  push(chunk: Uint8Array, onEvent: (json: JsonObject) => void): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    const bytes = Buffer.concat(this.#chunks, this.#held);
    let at = 0;
    this.#needed = LENGTH_BYTES;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(at);
      if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES)
        throw new RangeError(`a frame of ${length} bytes is none`);
      this.#needed = length;
      if (bytes.length - at < length) break;
      onEvent(readFrame(bytes.subarray(at, at + length)));
      at += length;
      this.#needed = LENGTH_BYTES;
    }
    this.#chunks = [bytes.subarray(at)];
    this.#held = bytes.length - at;
  }

  /** Whether the answer was whole, its events have told. */
  end(): void {}
}

function readFrame(frame: Uint8Array): JsonObject {
  const { headers, body } = codec.decode(frame);
  const text = (name: string): string => String(headers[name]?.value ?? "");
  switch (text(":message-type")) {
    case "event":
      return { [text(":event-type")]: readPayload(body) };
    case "exception":
      return { exception: { ...readPayload(body), name: text(":exception-type") } };
    case "error":
      return { exception: { name: text(":error-code"), message: text(":error-message") } };
    default:
      throw new TypeError("a frame is neither event nor exception");
  }
}

function readPayload(body: Uint8Array): JsonObject {
  const payload = parseJson(Buffer.from(body).toString("utf8"));
  if (!isJsonObject(payload)) throw new TypeError("the payload of a frame is not an object");
  return payload;
}
