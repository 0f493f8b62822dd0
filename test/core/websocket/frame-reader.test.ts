import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closeFrame } from "../../../core/src/websocket/close-frame.ts";
import { FrameReader } from "../../../core/src/websocket/frame-reader.ts";
import { encode, type Frame } from "./_frames.ts";

/** All zeros, so that payloads stay readable. */
const MASK = Buffer.alloc(4);

/** What a reader makes of bytes that come in pieces of these sizes. */
function read(
  bytes: Buffer,
  sizes: readonly number[] = [],
): { texts: string[]; reader: FrameReader; ends: number[] } {
  const texts: string[] = [];
  const ends: number[] = [];
  const reader = new FrameReader((message) => texts.push(message.toString()));
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes.length > 0 ? sizes[turn % sizes.length]! : bytes.length;
    reader.push(bytes.subarray(at, at + size));
    at = Math.min(bytes.length, at + size);
    if (reader.isBetweenFrames) ends.push(at);
  }
  return { texts, reader, ends };
}

const text = (value: string, fields: Partial<Frame> = {}): Buffer =>
  encode({ opcode: 1, payload: Buffer.from(value), ...fields });

describe("reading frames", () => {
  it("tells whole text messages, whatever their size", () => {
    const values = ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(65_535), "e".repeat(65_536), "ü😀"];
    expect(read(Buffer.concat(values.map((value) => text(value)))).texts).toEqual(values);
  });

  it("joins fragments, control frames between them", () => {
    const bytes = Buffer.concat([
      text("one ", { fin: false }),
      encode({ opcode: 9, payload: Buffer.from("ping") }),
      encode({ opcode: 0, fin: false, payload: Buffer.from("two ") }),
      encode({ opcode: 0, payload: Buffer.from("three") }),
      encode({ opcode: 2, fin: false, payload: Buffer.from("bytes") }),
      encode({ opcode: 0, payload: Buffer.from("more") }),
      text("last"),
    ]);
    expect(read(bytes).texts).toEqual(["one two three", "last"]);
  });

  it("passes a text over that is longer than a mebibyte, and reads the next", () => {
    const bytes = Buffer.concat([text("x".repeat(1024 * 1024 + 1)), text("next")]);
    expect(read(bytes, [50_000]).texts).toEqual(["next"]);
  });

  it("sees the close frame, and no other", () => {
    expect(read(Buffer.concat([text("8"), encode({ opcode: 10 })])).reader.isClosing).toBe(false);
    expect(read(encode({ opcode: 8, mask: MASK })).reader.isClosing).toBe(true);
    expect(read(closeFrame(1001, "gone")).reader.isClosing).toBe(true);
  });

  it("is the same however the bytes are cut, and knows where frames end", () => {
    const frame = fc.record({
      opcode: fc.constantFrom(1, 2, 9, 10),
      masked: fc.boolean(),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ minLength: 65_536, maxLength: 65_600 }),
      ),
    });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 4 }),
        (frames, sizes) => {
          const encoded = frames.map(({ opcode, masked, payload }) =>
            encode({ opcode, payload: Buffer.from(payload), ...(masked && { mask: MASK }) }),
          );
          const bytes = Buffer.concat(encoded);
          const cut = read(bytes, sizes);
          expect(cut.texts).toEqual(read(bytes).texts);
          expect(cut.reader.isBetweenFrames).toBe(true);
          let sum = 0;
          const borders = new Set(encoded.map(({ length }) => (sum += length)));
          expect(cut.ends.filter((at) => !borders.has(at))).toEqual([]);
        },
      ),
      { seed: 11, numRuns: 60 },
    );
  });
});

describe("the close frame", () => {
  it("holds code and reason, and never more than a control frame may", () => {
    expect(closeFrame(1001, "bye")).toEqual(Buffer.from([0x88, 5, 0x03, 0xe9, 0x62, 0x79, 0x65]));
    expect(closeFrame(1001, "x".repeat(500))).toHaveLength(2 + 125);
  });
});
