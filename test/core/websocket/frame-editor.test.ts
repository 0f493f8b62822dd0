import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameEditor } from "../../../core/src/websocket/frame-editor.ts";
import { decode, encode } from "./_frames.ts";

const MASK = Buffer.from([0x12, 0x00, 0xff, 0x7a]);

function frame(
  data: string | Uint8Array,
  { opcode = 1, fin = true, mask = false }: { opcode?: number; fin?: boolean; mask?: boolean } = {},
): Buffer {
  return encode({ opcode, fin, payload: Buffer.from(data as string), ...(mask && { mask: MASK }) });
}

interface Message {
  readonly data: string;
  readonly opcode: number;
}

/** What frames hold, which all have the mask, or none. */
function messagesIn(bytes: Buffer, isMasked: boolean): Message[] {
  return decode(bytes).map(({ opcode, mask, payload }) => {
    expect(mask).toEqual(isMasked ? MASK : undefined);
    return { data: payload!.toString("latin1"), opcode };
  });
}

function edit(
  bytes: Buffer,
  change: (text: string) => string | undefined,
  sizes: readonly number[] = [bytes.length],
): Buffer {
  const editor = new FrameEditor((message) => change(message.toString("latin1")));
  const out: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    out.push(editor.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat(out);
}

describe("editing text frames", () => {
  it("leaves every byte where nothing is to change, however the bytes are cut", () => {
    const each = fc.record({
      opcode: fc.constantFrom(1, 2, 9, 10),
      mask: fc.boolean(),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 125 }),
        fc.uint8Array({ minLength: 65_530, maxLength: 65_540 }),
      ),
    });
    fc.assert(
      fc.property(
        fc.array(each, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 4 }),
        (frames, sizes) => {
          const bytes = Buffer.concat(frames.map(({ payload, ...rest }) => frame(payload, rest)));
          expect(edit(bytes, () => undefined, sizes).equals(bytes)).toBe(true);
        },
      ),
      { seed: 5, numRuns: 60 },
    );
  });

  it.each([
    ["a server's", false],
    ["a client's, masked", true],
  ])("changes whole text messages of any length: %s", (_, mask) => {
    const lengths = [0, 125, 126, 65_535, 65_536];
    const bytes = Buffer.concat([
      ...lengths.map((length) => frame(`to ${length}`, { mask })),
      frame("kept", { mask }),
      frame("to 3", { opcode: 2, mask }),
    ]);
    const change = (text: string): string | undefined =>
      text.startsWith("to ") ? "x".repeat(Number(text.slice(3))) : undefined;
    const expected = [
      ...lengths.map((length) => ({ data: "x".repeat(length), opcode: 1 })),
      { data: "kept", opcode: 1 },
      { data: "to 3", opcode: 2 },
    ];
    for (const sizes of [[bytes.length], [1], [3, 7]])
      expect(messagesIn(edit(bytes, change, sizes), mask)).toEqual(expected);
  });

  it("passes fragments and control frames at once, and edits the next message", () => {
    const bytes = Buffer.concat([
      frame("one ", { fin: false }),
      frame("ping", { opcode: 9 }),
      frame("two", { opcode: 0 }),
      frame("one"),
    ]);
    const changed = edit(bytes, () => "changed");
    expect(messagesIn(changed, false)).toEqual([
      { data: "one ", opcode: 1 },
      { data: "ping", opcode: 9 },
      { data: "two", opcode: 0 },
      { data: "changed", opcode: 1 },
    ]);
  });

  it("holds a text frame until it is whole, and no other, nor one of more than a mebibyte", () => {
    const pushed = (bytes: Buffer): number => new FrameEditor(() => undefined).push(bytes).length;
    expect(pushed(frame("text").subarray(0, -1))).toBe(0);
    expect(pushed(frame("bytes", { opcode: 2 }).subarray(0, -1))).toBe(6);
    expect(pushed(frame("x".repeat(1024 * 1024)).subarray(0, -1))).toBe(0);
    expect(pushed(frame("x".repeat(1024 * 1024 + 1)).subarray(0, -1))).toBe(10 + 1024 * 1024);
  });
});
