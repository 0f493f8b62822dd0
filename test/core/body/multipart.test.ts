import fc from "fast-check";
import { isGatewayError } from "gatewright";
import { describe, expect, it, vi } from "vitest";
import { readMultipartBody, type MultipartBody } from "../../../core/src/body/multipart-body.ts";
import { boundaryOf, MultipartScanner } from "../../../core/src/body/multipart-scanner.ts";
import { Spool } from "../../../core/src/body/spool.ts";

const BOUNDS = { partBytes: 10_000, parts: 12, partHeaderBytes: 500 };
const SPOOL_BYTES = 25_000;
const RUNS = { seed: 20_240_229, numRuns: 300 };

interface Part {
  name: string;
  filename?: string;
  value: Uint8Array;
}

function write(parts: readonly Part[], boundary: string, { preamble = "", epilogue = "" } = {}): Buffer {
  const pieces = parts.flatMap(({ name, filename, value }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${quote(name)}"`,
    filename === undefined ? "" : `; filename="${quote(filename)}"\r\nContent-Type: audio/wav`,
    "\r\n\r\n",
    value,
    "\r\n",
  ]);
  return Buffer.concat(
    [preamble, ...pieces, `--${boundary}--\r\n`, epilogue].map((piece) => Buffer.from(piece as Uint8Array)),
  );
}

const quote = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', "%22");

/** The bytes in pieces whose lengths follow the list, over and over. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = Math.max(1, lengths[n % lengths.length]!);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

async function* flow(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

function read(chunks: readonly Uint8Array[], boundary: string, length?: number): Promise<MultipartBody> {
  return readMultipartBody({
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: length,
    chunks: flow(chunks),
    bounds: BOUNDS,
    spoolBytes: SPOOL_BYTES,
  });
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return Buffer.concat(list);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "accepted",
    (error: unknown) => {
      if (!isGatewayError(error)) throw error;
      return `${error.status} ${error.code}`;
    },
  );
}

const name = fc.stringMatching(/^[\w[\]"\\é-]{1,8}$/);
/** Bytes rich in what delimiters are made of. */
const value = fc
  .array(fc.constantFrom("\r\n", "--", "-", "\r", "\n", "--edg", "\r\n--ed", "x", "\0", "é", "\xff"), {
    maxLength: 30,
  })
  .map((pieces) => Buffer.from(pieces.join(""), "utf8"));
const parts = fc.array(
  fc.record(
    { name, filename: fc.option(name, { nil: undefined }), value },
    { requiredKeys: ["name", "value"] },
  ),
  { maxLength: 6 },
);
const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });

describe("the scanner", () => {
  it("finds the parts of any body in any chunking, and where the values of its fields stand", () => {
    fc.assert(
      fc.property(parts, lengths, fc.constantFrom("", "preamble\r\n"), (list, sizes, preamble) => {
        const body = write(list, "edge", { preamble, epilogue: "epilogue" });
        const seen: string[] = [];
        const fields: [string, string, string][] = [];
        const scanner = new MultipartScanner("edge", BOUNDS, {
          onPart: (part) => seen.push(`${part.name}|${part.filename}`),
          onField: (field, text, start, end) => fields.push([field, text, String(body.subarray(start, end))]),
        });
        for (const chunk of cut(body, sizes)) scanner.push(chunk);
        scanner.end();
        expect(seen).toEqual(list.map((part) => `${part.name}|${part.filename}`));
        const texts = list.filter(({ filename }) => filename === undefined);
        expect(fields).toEqual(
          texts.map((part) => [part.name, String(Buffer.from(part.value)), String(Buffer.from(part.value))]),
        );
      }),
      RUNS,
    );
  });

  it.each([
    ["10 KB", `multipart/form-data; boundary=${"b".repeat(10_240)}`],
    ["71 characters", `multipart/form-data; boundary=${"b".repeat(71)}`],
    ["dashes only", "multipart/form-data; boundary=-----"],
    ["missing", "multipart/form-data"],
    ["empty", "multipart/form-data; boundary="],
    ["badly quoted", 'multipart/form-data; boundary="abc'],
    ["with a CRLF", 'multipart/form-data; boundary="a\r\nb"'],
    ["ending in a space", 'multipart/form-data; boundary="ab "'],
    ["given twice", "multipart/form-data; boundary=a; boundary=b"],
    ["given twice, in other letters", "multipart/form-data; boundary=a; Boundary=b"],
    ["behind what is no parameter", "multipart/form-data; x; boundary=a"],
    ["a list of words", `multipart/form-data${"; boundary".repeat(2_000)}`],
  ])("M2: a boundary %s is refused", (_, type) => {
    expect(() => boundaryOf(type)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it("M2: finds the boundary where a quoted parameter imitates another", () => {
    expect(boundaryOf('multipart/form-data; x="; boundary=a"; boundary=b')).toBe("b");
    expect(boundaryOf('multipart/form-data;boundary="a b"; charset=utf-8')).toBe("a b");
    expect(boundaryOf("multipart/form-data; BOUNDARY=----WebKitFormBoundary7MA4YWxkTrZu0gW")).toBe(
      "----WebKitFormBoundary7MA4YWxkTrZu0gW",
    );
  });
});

describe("a multipart body", () => {
  const file = { name: "file", filename: "a.wav", value: Buffer.from("RIFF\r\n--edg") };
  const model = { name: "model", value: Buffer.from("best") };
  const language = { name: "language", value: Buffer.from("en") };

  it("keeps every byte but the model's, wherever it stands, split at every byte", async () => {
    for (const list of [
      [model, language, file],
      [file, language, model],
      [language, model, file],
    ]) {
      const bytes = write(list, "edge");
      const expected = String(bytes).replace("\r\nbest\r\n", "\r\nwhisper-1\r\n");
      for (let at = 0; at <= bytes.length; at++) {
        const body = await read([bytes.subarray(0, at), bytes.subarray(at)], "edge", bytes.length);
        expect(body.json["model"]).toBe("best");
        const sent = body.open({ model: "whisper-1" });
        expect(String(await collect(sent.chunks))).toBe(expected);
        expect(sent.contentLength).toBe(expected.length);
        await body.close();
      }
    }
  });

  it("passes unchanged when the backend knows the model by the same name", async () => {
    const bytes = write([model, file], "edge");
    const sent = (await read(cut(bytes, [7]), "edge", bytes.length)).open({ model: "best" });
    expect(await collect(sent.chunks)).toEqual(bytes);
    expect(sent.contentLength).toBe(bytes.length);
  });

  it("names the target's model also after a plugin changed the model", async () => {
    const bytes = write([file, model], "edge");
    const body = (await read(cut(bytes, [40]), "edge", bytes.length)).with({ model: "other" });
    for (const wanted of ["other", "best", "third"]) {
      const sent = body.open({ model: wanted });
      expect(String(await collect(sent.chunks))).toBe(String(bytes).replace("best", wanted));
      expect(sent.contentLength).toBe(bytes.length - 4 + wanted.length);
    }
  });

  it("can be sent again when it was spooled, and only once when it flows", async () => {
    const spooled = await read(cut(write([file, model], "edge"), [40]), "edge");
    expect(spooled.replayable).toBe(true);
    expect(await collect(spooled.open({ model: "a" }).chunks)).toEqual(
      await collect(spooled.open({ model: "a" }).chunks),
    );
    const flowing = await read([write([model, file], "edge")], "edge");
    expect(flowing.replayable).toBe(false);
    flowing.open({ model: "a" });
    expect(() => flowing.with({ model: "b" }).open({ model: "a" })).toThrow(/sent once/);
  });

  it("J5: a field named __proto__ is data", async () => {
    const body = await read([write([{ name: "__proto__", value: Buffer.from("x") }, model], "edge")], "edge");
    expect(body.json["__proto__"]).toBe("x");
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it("M4: two models are refused, also when the second comes behind the file", async () => {
    expect(await codeOf(read([write([model, model, file], "edge")], "edge"))).toBe("400 duplicate_field");
    expect(await codeOf(read([write([file, model, model], "edge")], "edge"))).toBe("400 duplicate_field");
    const bytes = write([model, file, model], "edge");
    const late = read(cut(bytes, [bytes.length - 120, 200]), "edge");
    expect(await codeOf(late.then((body) => collect(body.open({ model: "a" }).chunks)))).toBe(
      "400 duplicate_field",
    );
  });

  it.each([
    [
      "two dispositions",
      'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
    ],
    ["two names", 'Content-Disposition: form-data; name="x"; name="model"'],
    [
      "a bare LF in the headers",
      'Content-Disposition: form-data; name="x"\nContent-Disposition: form-data; name="model"',
    ],
    ["a folded header", 'Content-Disposition: form-data;\r\n name="model"'],
    ["no name", "Content-Disposition: form-data"],
    ["a quote that does not end", 'Content-Disposition: form-data; name="model'],
    ["no disposition", "Content-Type: text/plain"],
  ])("refuses a part with %s", async (_, headers) => {
    const bytes = `--edge\r\n${headers}\r\n\r\nbest\r\n--edge--\r\n`;
    expect(await codeOf(read([Buffer.from(bytes)], "edge"))).toBe("400 invalid_request");
  });

  it("reads the name where a quoted parameter imitates one", async () => {
    const bytes =
      '--edge\r\nContent-Disposition: form-data; x="; name=y"; name="model"\r\n\r\nbest\r\n--edge--\r\n';
    expect((await read([Buffer.from(bytes)], "edge")).json).toEqual({ model: "best" });
  });

  it.each([
    [
      "a part too large",
      [{ name: "file", filename: "a", value: Buffer.alloc(10_001) }, model],
      "413 request_too_large",
    ],
    [
      "a part at the limit",
      [{ name: "file", filename: "a", value: Buffer.alloc(10_000) }, model],
      "accepted",
    ],
    [
      "too many parts",
      Array.from({ length: 13 }, (_, n) => ({ ...language, name: `f${n}` })),
      "413 request_too_large",
    ],
    ["headers too large", [{ ...language, name: "n".repeat(600) }], "413 request_too_large"],
  ])("holds the limits: %s", async (_, list: Part[], expected) => {
    expect(await codeOf(read(cut(write(list, "edge"), [997]), "edge"))).toBe(expected);
  });

  const files = (count: number): Part[] =>
    Array.from({ length: count }, (_, n) => ({ name: `f${n}`, filename: "a", value: Buffer.alloc(9_000) }));

  it("M4: keeps no more than the spool may hold while it waits for the model, and lets go of it", async () => {
    const close = vi.spyOn(Spool.prototype, "close");
    const bytes = write([...files(3), model], "edge");
    expect(await codeOf(read(cut(bytes, [997]), "edge"))).toBe("413 request_too_large");
    expect(close).toHaveBeenCalledOnce();
    close.mockRestore();
    await expect(read(cut(bytes, [997]), "edge")).rejects.toThrow(/25000 bytes.*`model` before/s);
    expect(await codeOf(read(cut(write([...files(2), model], "edge"), [997]), "edge"))).toBe("accepted");
  });

  it("M4: refuses at once what says itself that the spool cannot hold it", async () => {
    const bytes = write([...files(3), model], "edge");
    let taken = 0;
    const chunks = cut(bytes, [997]).map((chunk) => ({
      get bytes() {
        taken += chunk.length;
        return chunk;
      },
    }));
    const body = readMultipartBody({
      contentType: "multipart/form-data; boundary=edge",
      contentLength: bytes.length,
      chunks: (async function* () {
        for (const chunk of chunks) yield await Promise.resolve(chunk.bytes);
      })(),
      bounds: BOUNDS,
      spoolBytes: SPOOL_BYTES,
    });
    expect(await codeOf(body)).toBe("413 request_too_large");
    expect(taken).toBeLessThan(2_000);
  });

  it("M4: holds nothing to the spool's limit that flows", async () => {
    const body = await read(cut(write([model, ...files(5)], "edge"), [997]), "edge");
    expect((await collect(body.open({ model: "best" }).chunks)).length).toBeGreaterThan(45_000);
  });

  it("refuses bytes without end before the first part and behind the last, however they are cut", async () => {
    const small = { preamble: "x".repeat(300), epilogue: "x".repeat(100) };
    expect(await codeOf(read(cut(write([model], "edge", small), [10]), "edge"))).toBe("accepted");
    for (const large of [{ preamble: "x".repeat(5_000) }, { epilogue: "x".repeat(5_000) }])
      expect(await codeOf(read(cut(write([model], "edge", large), [10]), "edge"))).toBe(
        "400 invalid_request",
      );
  });

  it("refuses a body that ends before its closing boundary", async () => {
    const bytes = write([file, model], "edge");
    expect(await codeOf(read([bytes.subarray(0, -6)], "edge"))).toBe("400 invalid_request");
    const flowing = await read([write([model, file], "edge").subarray(0, -6)], "edge");
    expect(await codeOf(collect(flowing.open({ model: "a" }).chunks))).toBe("400 invalid_request");
  });
});
