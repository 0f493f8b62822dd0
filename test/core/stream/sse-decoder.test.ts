import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseDecoder, writeSse } from "../../../core/src/stream/sse-decoder.ts";
import { bytesMoved } from "./_bytes-moved.ts";

const RUNS = { seed: 20_240_229, numRuns: 500 };

interface Read {
  data: string | null;
  type: string | undefined;
}

interface Block {
  data: string | null;
  type: string | undefined;
  raw: Buffer;
}

function decode(chunks: readonly Uint8Array[]): Block[] {
  const decoder = new SseDecoder();
  const blocks: Block[] = [];
  const keep = ({ data, type, raw }: Block) => blocks.push({ data, type, raw: Buffer.from(raw) });
  for (const chunk of chunks) decoder.push(chunk, keep);
  decoder.end(keep);
  return blocks;
}

const read = (blocks: readonly Block[]): Read[] => blocks.map(({ data, type }) => ({ data, type }));
const decodeText = (text: string): Read[] => read(decode([Buffer.from(text)]));

function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = lengths[n % lengths.length]!;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

/** The algorithm of WHATWG HTML, section 9.2.6, on a whole text; blocks without data are kept, as ours does. */
function reference(text: string): Read[] {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  // What follows the last line end is an unfinished line.
  const last = lines.pop()!;
  const blocks: Read[] = [];
  let block: string[] = [];
  for (const line of lines) {
    if (line !== "") {
      block.push(line);
      continue;
    }
    blocks.push(readBlock(block));
    block = [];
  }
  const tail = [...block, last].filter((line) => line !== "");
  if (tail.length === 1 && /^data: ?\[DONE\]$/.test(tail[0]!))
    blocks.push({ data: "[DONE]", type: undefined });
  return blocks;
}

function readBlock(lines: readonly string[]): Read {
  const data: string[] = [];
  let type: string | undefined;
  for (const line of lines) {
    const [, name, value = ""] = /^([^:]*)(?::[ ]?(.*))?$/s.exec(line)!;
    if (name === "data") data.push(value);
    if (name === "event") type = value;
  }
  return { data: data.length === 0 ? null : data.join("\n"), type };
}

const line = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 10 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, "")}`),
  fc.constantFrom(
    "data",
    "data:",
    "data:x",
    "data:  x",
    "event: a",
    "event:",
    ": ping",
    ":",
    "id: 1",
    "id: a\0b",
    "retry: 12x",
    "unknown: y",
    "dataset: z",
    " data: indented",
    "data: [DONE]",
    "\ufeffdata: late",
  ),
);
const stream = fc
  .tuple(
    fc.constantFrom("", "\ufeff"),
    fc.array(fc.tuple(fc.oneof(line, fc.constant("")), fc.constantFrom("\n", "\r", "\r\n")), {
      maxLength: 24,
    }),
    fc.boolean(),
  )
  .map(([bom, lines, unfinished]) => {
    const text = lines.map(([content, end]) => content + end).join("");
    return bom + (unfinished ? text.replace(/(?:\r\n|\r|\n)$/, "") : text);
  });
const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 });

describe("SseDecoder", () => {
  it("E12: reads any stream as the WHATWG algorithm does, however it is cut", () => {
    fc.assert(
      fc.property(stream, lengths, (text, sizes) => {
        const bytes = Buffer.from(text);
        const expected = reference(text);
        expect(read(decode([bytes]))).toEqual(expected);
        expect(read(decode(cut(bytes, sizes)))).toEqual(expected);
        expect(read(decode(cut(bytes, [1])))).toEqual(expected);
      }),
      RUNS,
    );
  });

  it("gives the bytes of each block with LF alone: put together they read the same again", () => {
    fc.assert(
      fc.property(stream, lengths, (text, sizes) => {
        const blocks = decode(cut(Buffer.from(text), sizes));
        const raw = Buffer.concat(blocks.map((block) => block.raw));
        expect(raw.includes("\r")).toBe(false);
        // Behind the BOM that was taken away, so that a second one stays where it is.
        expect(read(decode([Buffer.from("\ufeff"), raw]))).toEqual(read(blocks));
      }),
      RUNS,
    );
  });

  it("E1: characters of 2, 3 and 4 bytes survive a cut at every byte", () => {
    const text = "data: é€😀 ß漢🙂\n\n";
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++) {
      const blocks = decode([bytes.subarray(0, at), bytes.subarray(at)]);
      expect(read(blocks)).toEqual([{ data: "é€😀 ß漢🙂", type: undefined }]);
      expect(String(blocks[0]!.raw)).toBe(text);
    }
  });

  it("E3: strips a BOM in front, split anywhere, and keeps one later on", () => {
    const bytes = Buffer.from("\ufeffdata: a\n\n\ufeffdata: b\n\ndata: \ufeffc\n\n");
    for (let at = 0; at <= 6; at++)
      expect(read(decode([bytes.subarray(0, at), bytes.subarray(at)]))).toEqual([
        { data: "a", type: undefined },
        { data: null, type: undefined },
        { data: "\ufeffc", type: undefined },
      ]);
  });

  it("E4: takes one space away, not two; knows comments, unknown fields, data without colon", () => {
    expect(decodeText(": ping\n\n")).toEqual([{ data: null, type: undefined }]);
    expect(decodeText("data\n\n")).toEqual([{ data: "", type: undefined }]);
    expect(decodeText("data:x\n\n")).toEqual([{ data: "x", type: undefined }]);
    expect(decodeText("data:  x\n\n")).toEqual([{ data: " x", type: undefined }]);
    expect(decodeText("foo: y\ndata: x\nevent: z\n\n")).toEqual([{ data: "x", type: "z" }]);
  });

  it("E5: joins several data lines by LF, and writes them as several again", () => {
    expect(decodeText("data: a\ndata:\ndata: b\n\n")).toEqual([{ data: "a\n\nb", type: undefined }]);
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "\n", " ", ":") }),
        fc.option(fc.constantFrom("error", "x"), { nil: undefined }),
        (data, type) => {
          expect(decodeText(writeSse(data, type))).toEqual([{ data, type }]);
        },
      ),
      RUNS,
    );
  });

  it("E7: goes on behind bytes that are not UTF-8, and keeps them in raw", () => {
    const bytes = Buffer.from("data: a\xffb\n\ndata: c\n\n", "latin1");
    const blocks = decode([bytes]);
    expect(read(blocks)).toEqual([
      { data: "a\ufffdb", type: undefined },
      { data: "c", type: undefined },
    ]);
    expect(Buffer.concat(blocks.map(({ raw }) => raw))).toEqual(bytes);
  });

  it("E8: drops an unfinished tail, save a bare data: [DONE]", () => {
    expect(decodeText("data: a\n\ndata: b\n")).toEqual([{ data: "a", type: undefined }]);
    expect(decodeText("data: a\n\ndata: [DONE]")).toEqual([
      { data: "a", type: undefined },
      { data: "[DONE]", type: undefined },
    ]);
    expect(decodeText("data: [DON")).toEqual([]);
  });

  it.each([
    ["in one line", "data: ", "x", "\n\n"],
    ["in many lines", "", "data: x\n", "\n"],
    ["in many lines that end in CRLF", "", "data: x\r\n", "\r\n"],
  ])(
    "copies each byte of a large event a few times only, however small its chunks: %s",
    (_, head, middle, tail) => {
      const text = head + middle.repeat((1024 * 1024) / middle.length) + tail;
      const bytes = Buffer.from(text + text);
      const chunks = cut(bytes, [1024, 1, 700]);
      let blocks: Block[] = [];
      expect(bytesMoved(() => (blocks = decode(chunks)))).toBeLessThan(8 * bytes.length);
      expect(read(blocks)).toEqual(reference(text + text));
      expect(String(blocks[1]!.raw)).toBe(text.replaceAll("\r\n", "\n"));
    },
  );

  it("leaves the bytes of a block alone that was given away, while the next ones come", () => {
    const one = "data: 1\n\n";
    const kept: Buffer[] = [];
    const decoder = new SseDecoder();
    for (const chunk of cut(Buffer.from(one.repeat(100)), [5, 1, 9, 2, 20])) {
      decoder.push(chunk, ({ raw }) => kept.push(raw));
    }
    expect(kept.map(String)).toEqual(Array.from({ length: 100 }, () => one));
  });

  it("gives an event up that never ends, before memory does", () => {
    const decoder = new SseDecoder();
    const block = Buffer.alloc(8 * 1024 * 1024, "x");
    const push = (): void => decoder.push(block, () => {});
    for (let n = 0; n < 4; n++) push();
    expect(push).toThrow(/too large/);
  });
});
