import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NdjsonDecoder } from "../../../core/src/stream/ndjson-decoder.ts";
import { bytesMoved } from "./_bytes-moved.ts";

const RUNS = { seed: 20_240_229, numRuns: 300 };

function decode(chunks: readonly Uint8Array[]): string[] {
  const decoder = new NdjsonDecoder();
  const lines: string[] = [];
  for (const chunk of chunks) decoder.push(chunk, (line) => lines.push(line));
  decoder.end((line) => lines.push(line));
  return lines;
}

describe("NdjsonDecoder", () => {
  it("gives the same lines however the stream is cut, with LF or CRLF, the last with or without", () => {
    const line = fc.oneof(fc.json({ maxDepth: 1 }), fc.constant(""), fc.constant('{"text":"é€😀"}'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        (lines, unfinished, size) => {
          const text = lines.map(([content, end]) => content + end).join("");
          const bytes = Buffer.from(unfinished ? text.replace(/\r?\n$/, "") : text);
          const expected = lines.map(([content]) => content.trim()).filter((content) => content !== "");
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
            bytes.subarray(n * size, (n + 1) * size),
          );
          expect(decode(chunks)).toEqual(expected);
          expect(decode([bytes])).toEqual(expected);
        },
      ),
      RUNS,
    );
  });

  it("E1: characters of several bytes survive a cut at every byte", () => {
    const bytes = Buffer.from('{"a":"é€😀"}\n');
    for (let at = 0; at <= bytes.length; at++)
      expect(decode([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(['{"a":"é€😀"}']);
  });

  it("copies each byte of a large line a few times only, however small its chunks", () => {
    const line = JSON.stringify({ text: "x".repeat(1024 * 1024) });
    const bytes = Buffer.from(`${line}\n${line}\n`);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, n) =>
      bytes.subarray(n * 1000, (n + 1) * 1000),
    );
    let lines: string[] = [];
    expect(bytesMoved(() => (lines = decode(chunks)))).toBeLessThan(8 * bytes.length);
    expect(lines).toEqual([line, line]);
  });

  it("gives a line up that never ends, before memory does", () => {
    const decoder = new NdjsonDecoder();
    const block = Buffer.alloc(8 * 1024 * 1024, "x");
    const push = (): void => decoder.push(block, () => {});
    for (let n = 0; n < 4; n++) push();
    expect(push).toThrow(/too large/);
  });
});
