import { describe, expect, it } from "vitest";
import { FrameCounter, httpChunk, LAST_FRAMES, stampedFrame, StampReader } from "../../bench/src/frames.ts";

function pieces(text: string, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; at += size) parts.push(Buffer.from(text.slice(at, at + size)));
  return parts;
}

const STREAM = stampedFrame(0, 10) + stampedFrame(1, 20.5) + stampedFrame(2, 30.125) + LAST_FRAMES;

describe("frames", () => {
  it("are server-sent events that hold valid JSON", () => {
    const [data, ...rest] = stampedFrame(7, 1.5).split("\n");
    expect(rest).toEqual(["", ""]);
    expect(JSON.parse(data!.slice("data: ".length))).toMatchObject({
      choices: [{ delta: { content: "#7@1.500;" }, finish_reason: null }],
    });
  });

  it("travel in HTTP chunks with their size in hexadecimal", () => {
    expect(httpChunk("0123456789abcdef")).toBe("10\r\n0123456789abcdef\r\n");
  });
});

describe("FrameCounter", () => {
  it.each([1, 2, 5, 100, 10_000])("counts every event once in pieces of %i bytes", (size) => {
    const counter = new FrameCounter();
    const counts = pieces(STREAM, size).map((bytes) => counter.count(bytes));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5);
  });
});

describe("StampReader", () => {
  it.each([1, 3, 50, 10_000])("reads number and time of every frame in pieces of %i bytes", (size) => {
    const times: number[] = [];
    const reader = new StampReader((writtenMs) => times.push(writtenMs));
    for (const bytes of pieces(STREAM, size)) reader.push(bytes);
    expect(times).toEqual([10, 20.5, 30.125]);
    expect(reader).toMatchObject({ next: 3, done: true });
  });

  it("counts no frame after one that is missing", () => {
    const reader = new StampReader(() => {});
    reader.push(Buffer.from(stampedFrame(0, 1) + stampedFrame(2, 3) + stampedFrame(3, 4)));
    expect(reader).toMatchObject({ next: 1, done: false });
  });
});
