import { createHash } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { retry } from "@gatewright/retry";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { connectRaw, readReply } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { ALIAS, configFor, errorOf, MODEL, rawText, sendOnce, startPair, type Pair } from "./_downstream.ts";
import { startGatewayChild } from "./_memory.ts";

const MIB = 1024 * 1024;
const BOUNDARY = "edge-7MA4YWxk";
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const PATH = "/v1/audio/transcriptions";

interface Part {
  name: string;
  filename?: string;
  value: string | Uint8Array;
}

function head({ name, filename }: Omit<Part, "value">): string {
  const file = filename === undefined ? "" : `; filename="${filename}"\r\nContent-Type: audio/wav`;
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`;
}

const TAIL = `--${BOUNDARY}--\r\n`;

function form(...parts: Part[]): Buffer {
  const pieces = parts.flatMap((part) => [head(part), part.value, "\r\n"]);
  return Buffer.concat([...pieces, TAIL].map((piece) => Buffer.from(piece as Uint8Array)));
}

const model = (value: string): Part => ({ name: "model", value });
const file = (value: string | Uint8Array): Part => ({ name: "file", filename: "a.wav", value });
const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that no compression and no text decoding leaves alone. */
function noise(bytes: number, seed = 1): Buffer {
  const out = Buffer.alloc(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

/** Opens an upload whose body the test writes piece by piece. */
function openUpload(url: string, headers: Record<string, string | number> = {}): ClientRequest {
  const request = httpRequest(url + PATH, { method: "POST", headers: { "content-type": TYPE, ...headers } });
  request.on("error", () => {});
  return request;
}

async function replyOf(request: ClientRequest): Promise<{ status: number; body: string }> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode!, body };
}

async function writeAll(request: ClientRequest, block: Uint8Array, times: number): Promise<void> {
  for (let n = 0; n < times; n++) if (!request.write(block)) await once(request, "drain");
}

let pair: Pair;
beforeAll(async () => {
  pair = await startPair({
    server: {
      limits: {
        partBytes: 300_000,
        spoolBytes: 900_000,
        imageBytes: 100_000,
        parts: 5,
        partHeaderBytes: 1_000,
      },
    },
    plugins: [retry({ maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 1 })],
  });
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(() => {
  pair.backend.clear();
  pair.backend.faults = [];
});

const upload = (body: Uint8Array, type = TYPE, path = PATH, id?: string): Promise<Response> =>
  fetch(pair.gateway.url + path, {
    method: "POST",
    headers: { "content-type": type, ...(id !== undefined && { "x-request-id": id }) },
    body,
  });

describe("what arrives", () => {
  it("in-8: the model's name is rewritten, its length in content-length, and every other byte is kept", async () => {
    const bytes = noise(200_000);
    for (const parts of [
      [model(ALIAS), { name: "language", value: "de" }, file(bytes)],
      [file(bytes), { name: "language", value: "de" }, model(ALIAS)],
    ]) {
      pair.backend.clear();
      const body = form(...parts);
      const reply = await upload(body);
      expect(reply.status).toBe(200);
      const sent = pair.backend.requests[0]!;
      const expected = form(...parts.map((part) => (part.name === "model" ? model(MODEL) : part)));
      expect(sent.bodySha256).toBe(sha256(expected));
      expect(sent.headers["content-length"]).toBe(String(expected.length));
      expect(sent.headers["transfer-encoding"]).toBeUndefined();
      expect(sent.form!.files).toMatchObject([{ field: "file", filename: "a.wav", sha256: sha256(bytes) }]);
      expect(sent.form!.fields).toContainEqual(["language", "de"]);
    }
  });

  it("in-8: vtt stays vtt, srt and text stay text", async () => {
    for (const [format, type] of [
      ["vtt", "text/vtt; charset=utf-8"],
      ["srt", "text/plain; charset=utf-8"],
      ["text", "text/plain; charset=utf-8"],
      ["verbose_json", "application/json"],
    ]) {
      const reply = await upload(
        form(model("whisper-1"), { name: "response_format", value: format! }, file("x")),
      );
      expect(reply.headers.get("content-type")).toBe(type);
      expect(await reply.text()).toContain(sha256("x"));
    }
  });

  it("in-9: an image edit carries all its images and the mask", async () => {
    const image = (name: string, n: number): Part => ({ name, filename: `${n}.png`, value: noise(1_000, n) });
    const body = form(image("image[]", 1), image("image[]", 2), image("mask", 3), model("gpt-image-1"), {
      name: "prompt",
      value: "a cat",
    });
    const reply = await upload(body, TYPE, "/v1/images/edits");
    expect(reply.status).toBe(200);
    expect(pair.backend.requests[0]!.form!.files.map(({ field, sha256: hash }) => [field, hash])).toEqual([
      ["image[]", sha256(noise(1_000, 1))],
      ["image[]", sha256(noise(1_000, 2))],
      ["mask", sha256(noise(1_000, 3))],
    ]);
  });

  it("in-8: `responseFormat` leaves as `response_format`, wherever it stands, and every other byte is kept", async () => {
    const bytes = noise(2_000);
    const spelled = (name: string): Part => ({ name, value: "verbose_json" });
    const orders = (name: string): Part[][] => [
      [spelled(name), model(ALIAS), file(bytes)],
      [model(ALIAS), spelled(name), file(bytes)],
      [file(bytes), spelled(name), model(ALIAS)],
      [spelled(name), file(bytes), model(ALIAS)],
    ];
    const expected = orders("response_format");
    for (const [n, parts] of orders("responseFormat").entries()) {
      pair.backend.clear();
      const reply = await upload(form(...parts));
      expect(reply.headers.get("content-type")).toBe("application/json");
      const sent = pair.backend.requests[0]!;
      const body = form(...expected[n]!.map((part) => (part.name === "model" ? model(MODEL) : part)));
      expect(sent.bodySha256).toBe(sha256(body));
      expect(sent.headers["content-length"]).toBe(String(body.length));
    }
  });

  it("in-8: the alias is found by the name of its part alone, quoted or not", async () => {
    const text = form({ name: "responseFormat", value: "text" }, model(MODEL), file("x"))
      .toString("latin1")
      .replace(
        'Content-Disposition: form-data; name="responseFormat"',
        'Content-Type: text/plain; name="responseFormat"\r\nContent-Disposition: form-data; x="name=1"; name=responseFormat',
      );
    const reply = await upload(Buffer.from(text, "latin1"));
    expect(reply.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(pair.backend.requests[0]!.bodySha256).toBe(
      sha256(text.replace("; name=responseFormat", "; name=response_format")),
    );
  });

  it("in-8: an alias behind a file that is on its way: 400 that says what to do, not a lost format", async () => {
    const body = form(model(MODEL), file(noise(100_000)), { name: "responseFormat", value: "text" });
    const request = openUpload(pair.gateway.url);
    request.write(body.subarray(0, 50_000));
    await waitFor("the upload is on its way", () => pair.backend.requests.length === 1);
    request.end(body.subarray(50_000));
    const reply = await replyOf(request);
    expect(reply.status).toBe(400);
    const { error } = JSON.parse(reply.body) as { error: { param: string; message: string } };
    expect(error).toMatchObject({ code: "invalid_request", param: "response_format" });
    expect(error.message).toContain("put it before");
  });

  it.each([
    ["/v1/images/edits", "image"],
    ["/v1/images/edits", "image[]"],
    ["/v1/images/edits", "mask"],
    ["/v1/images/variations", "image"],
  ])(
    "in-9: %s: a file `%s` over the limit: 400 that names it; at the limit it passes",
    async (path, name) => {
      const picture = (bytes: number): Buffer =>
        form(
          model("gpt-image-1"),
          { name: "prompt", value: "a cat" },
          ...(name === "mask" ? [{ name: "image", filename: "i.png", value: noise(1_000) }] : []),
          { name, filename: "p.png", value: noise(bytes) },
        );
      expect((await upload(picture(100_000), TYPE, path)).status).toBe(200);
      const reply = await upload(picture(100_001), TYPE, path);
      expect(reply.status).toBe(400);
      expect(await reply.json()).toMatchObject({
        error: { code: "invalid_request", param: name.replace("[]", "") },
      });
    },
  );

  it("a small body is the same wherever TCP cuts it", async () => {
    for (const parts of [
      [model(ALIAS), file("RIFF\r\n--edge")],
      [file("RIFF\r\n--edge"), model(ALIAS)],
    ]) {
      const body = form(...parts);
      const expected = sha256(form(...parts.map((part) => (part.name === "model" ? model(MODEL) : part))));
      const start = rawText(`POST ${PATH} HTTP/1.1`, [
        "Host: x",
        `Content-Type: ${TYPE}`,
        `Content-Length: ${body.length}`,
      ]);
      const client = await connectRaw(pair.gateway.url);
      for (let at = 0; at <= body.length; at++) {
        await client.send(start);
        await client.sendPieces(body, { at: [at] });
        expect((await readReply(client)).status).toBe(200);
        expect(pair.backend.requests.at(-1)!.bodySha256).toBe(expected);
      }
      client.destroy();
    }
  });

  it("a chunked upload goes up chunked", async () => {
    const request = openUpload(pair.gateway.url);
    request.write(form(model("whisper-1"), file("abc")));
    request.end();
    expect((await replyOf(request)).status).toBe(200);
    expect(pair.backend.requests[0]!.headers["transfer-encoding"]).toBe("chunked");
  });
});

describe("streaming", () => {
  it("M1: with the model before the file, the backend has bytes of it before the client has sent all", async () => {
    const request = openUpload(pair.gateway.url);
    const first = noise(100_000);
    request.write(Buffer.concat([Buffer.from(head(model("")) + "whisper-1\r\n" + head(file(""))), first]));
    const sent = await waitFor("the backend has it", () =>
      pair.backend.requests[0] && pair.backend.requests[0].bodyBytes > 90_000
        ? pair.backend.requests[0]
        : undefined,
    );
    expect(sent.bodySha256).toBeUndefined();
    request.end(`\r\n${TAIL}`);
    expect((await replyOf(request)).status).toBe(200);
    expect(sent.form!.files[0]!.sha256).toBe(sha256(first));
  });

  it("M4: with the model after the file, nothing goes up before the model is known", async () => {
    const request = openUpload(pair.gateway.url);
    const bytes = noise(200_000);
    request.write(Buffer.concat([Buffer.from(head(file(""))), bytes, Buffer.from("\r\n")]));
    await sendOnce(pair.gateway.url, rawText("GET /v1/models HTTP/1.1", ["Host: x"]));
    expect(pair.backend.requests).toHaveLength(0);
    request.end(`${head(model(""))}whisper-1\r\n${TAIL}`);
    expect((await replyOf(request)).status).toBe(200);
    expect(pair.backend.requests[0]!.form!.files[0]!.sha256).toBe(sha256(bytes));
  });

  it("a client that leaves in mid-upload closes the upstream call", async () => {
    const request = openUpload(pair.gateway.url, { "content-length": 250_000 });
    request.write(
      Buffer.concat([Buffer.from(`${head(model(""))}whisper-1\r\n${head(file(""))}`), noise(50_000)]),
    );
    const sent = await waitFor("the backend has it", () => pair.backend.requests[0]);
    request.destroy();
    await sent.closed;
    expect(sent.aborted).toBe(true);
    expect(sent.form).toBeUndefined();
    await waitFor("the log", () =>
      pair.gateway.lines.some((line) => line.includes('"outcome":"client_abort"')),
    );
  });

  it("an upload that ends before its closing boundary is 400, and its upstream call is aborted", async () => {
    const body = form(model("whisper-1"), file(noise(100_000))).subarray(0, -TAIL.length);
    const reply = await upload(body);
    expect(reply.status).toBe(400);
    for (const sent of pair.backend.requests) await sent.closed;
    expect(pair.backend.requests.every((sent) => sent.form === undefined)).toBe(true);
  });

  it("M7: a streamed upload is not sent again after a failure; a spooled one is", async () => {
    const bytes = noise(250_000);
    // By its id: an upload that an earlier test broke off may still be arriving, and must not use up the fault.
    const failFirst = (id: string): void => {
      let left = 1;
      pair.backend.faults = ({ headers }) =>
        headers["x-request-id"] === id && left-- > 0 ? { kind: "status", status: 503 } : undefined;
    };
    const callsOf = (id: string): number =>
      pair.backend.requests.filter(({ headers }) => headers["x-request-id"] === id).length;
    failFirst("streamed");
    const streamed = await upload(form(model("whisper-1"), file(bytes)), TYPE, PATH, "streamed");
    expect(streamed.status).toBe(502);
    expect(streamed.headers.get("x-gatewright-attempts")).toBe("1");
    expect(callsOf("streamed")).toBe(1);
    failFirst("spooled");
    const spooled = await upload(form(file(bytes), model("whisper-1")), TYPE, PATH, "spooled");
    expect(spooled.status).toBe(200);
    expect(spooled.headers.get("x-gatewright-attempts")).toBe("2");
    expect(pair.backend.requests.at(-1)!.form!.files[0]!.sha256).toBe(sha256(bytes));
  });

  it("M7: a backend that resets in mid-upload gives 502, and the upload is not sent again", async () => {
    pair.backend.faults = [{ kind: "reset", early: true }];
    const reply = await upload(form(model("whisper-1"), file(noise(250_000))));
    expect(reply.status).toBe(502);
    expect(pair.backend.requests).toHaveLength(1);
  });
});

describe("limits", () => {
  it.each([
    ["a part over its limit", form(model("whisper-1"), file(noise(300_001)))],
    ["a part over its limit, before the model", form(file(noise(300_001)), model("whisper-1"))],
    ["too many parts", form(...Array.from({ length: 6 }, (_, n) => ({ name: `f${n}`, value: "x" })))],
    ["part headers over their limit", form({ name: "n".repeat(1_100), value: "x" }, model("whisper-1"))],
  ])("in-15: %s: 413", async (_, body) => {
    const reply = await upload(body);
    expect(reply.status).toBe(413);
    expect(await reply.json()).toMatchObject({ error: { code: "request_too_large" } });
    for (const sent of pair.backend.requests) await sent.closed;
    expect(pair.backend.requests.every((sent) => sent.form === undefined)).toBe(true);
  });

  it("M4: files without end before the model: 413 that says what to do, 0 upstream", async () => {
    const files = Array.from({ length: 4 }, (_, n) => file(noise(250_000, n)));
    const reply = await upload(form(...files, model("whisper-1")));
    expect(reply.status).toBe(413);
    const { error } = (await reply.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe("request_too_large");
    expect(error.message).toContain("`model` before");
    expect(pair.backend.requests).toHaveLength(0);
    expect((await upload(form(model("whisper-1"), ...files))).status).toBe(200);
  });

  it("in-15: a part at its limit passes", async () => {
    expect((await upload(form(model("whisper-1"), file(noise(300_000))))).status).toBe(200);
  });

  it.each([
    ["a boundary of 10 KB", `multipart/form-data; boundary=${"b".repeat(10_240)}`],
    ["dashes only", "multipart/form-data; boundary=-----"],
    ["no boundary", "multipart/form-data"],
    ["a badly quoted boundary", 'multipart/form-data; boundary="edge'],
    ["two boundaries", `${TYPE}; boundary=other`],
  ])("M2: %s: 400, 0 upstream", async (_, type) => {
    const reply = await upload(form(model("whisper-1"), file("x")), type);
    expect(reply.status).toBe(400);
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("M4: two models, or none: 400", async () => {
    const twice = await upload(form(model("whisper-1"), model(MODEL), file("x")));
    expect(twice.status).toBe(400);
    expect(await twice.json()).toMatchObject({ error: { code: "duplicate_field", param: "model" } });
    const none = await upload(form(file("x")));
    expect(none.status).toBe(400);
    expect(await none.json()).toMatchObject({ error: { code: "missing_parameter", param: "model" } });
    expect(pair.backend.requests).toHaveLength(0);
    const late = await upload(form(model("whisper-1"), file(noise(200_000)), model(MODEL)));
    expect(late.status).toBe(400);
    expect(await late.json()).toMatchObject({ error: { code: "duplicate_field" } });
  });

  it("a connection goes on, or closes, after an upload that was refused half-read", async () => {
    const body = form(model("whisper-1"), model(MODEL), file(noise(60_000)));
    const start = rawText(`POST ${PATH} HTTP/1.1`, [
      "Host: x",
      `Content-Type: ${TYPE}`,
      `Content-Length: ${body.length}`,
    ]);
    const client = await connectRaw(pair.gateway.url);
    await client.send(start);
    await client.sendPieces(body, { size: 20_000 }).catch(() => {});
    const reply = await readReply(client);
    expect(reply.status).toBe(400);
    expect(errorOf(reply).code).toBe("duplicate_field");
    expect(reply.headers["connection"]).toBe("close");
    expect(String(await client.readToEnd())).toBe("");
    client.destroy();
  });
});

describe("memory", () => {
  const BLOCK = noise(MIB);
  /** Far above what was measured, far below what holding the bodies would take. */
  const BOUND = 64 * MIB;

  async function uploadLarge(url: string, mib: number, modelFirst: boolean): Promise<void> {
    const request = openUpload(url);
    const name = `${head(model(""))}whisper-1\r\n`;
    request.write((modelFirst ? name : "") + head(file("")));
    await writeAll(request, BLOCK, mib);
    request.end(`\r\n${modelFirst ? "" : name}${TAIL}`);
    const { status, body } = await replyOf(request);
    const digest = createHash("sha256");
    for (let n = 0; n < mib; n++) digest.update(BLOCK);
    expect(status).toBe(200);
    expect(body).toContain(digest.digest("hex"));
  }

  it("M1: 100 MB uploads, four at once and spooled ones too, and a 100 MB download pass in bounded memory", async () => {
    await using backend = await startDisposable(100 * MIB);
    await using gateway = await startGatewayChild({ log: { level: "silent" }, ...configFor(backend.url) });
    const speech = async (): Promise<void> => {
      const reply = await fetch(`${gateway.url}/v1/audio/speech`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "tts-1", input: "Hello", voice: "alloy", response_format: "pcm" }),
      });
      let bytes = 0;
      for await (const chunk of reply.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
      expect(bytes).toBeGreaterThanOrEqual(100 * MIB);
    };
    // Code is compiled and the heap takes its size with the first megabytes, whatever they are used for.
    await uploadLarge(gateway.url, 40, true);
    const growth = {
      upload: await gateway.growthOf(() => uploadLarge(gateway.url, 100, true)),
      spooled: await gateway.growthOf(() => uploadLarge(gateway.url, 100, false)),
      parallel: await gateway.growthOf(async () => {
        await Promise.all(Array.from({ length: 4 }, () => uploadLarge(gateway.url, 25, true)));
      }),
      download: await gateway.growthOf(speech),
    };
    for (const [what, bytes] of Object.entries(growth)) {
      console.info(`memory, ${what}: +${(bytes / MIB).toFixed(1)} MiB`);
      expect(bytes, what).toBeLessThan(BOUND);
    }
  }, 120_000);

  it("M9: image JSON with 15 MB of base64 passes in a small multiple of its size; over the limit it is 413", async () => {
    await using backend = await startDisposable(0);
    await using gateway = await startGatewayChild({ log: { level: "silent" }, ...configFor(backend.url) });
    const send = async (bytes: number): Promise<{ status: number; text: string }> => {
      const content = [
        { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(bytes)}` } },
      ];
      const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: ALIAS, messages: [{ role: "user", content }] }),
      });
      return { status: reply.status, text: await reply.text() };
    };
    expect((await send(1_000)).status).toBe(200);
    const growth = await gateway.growthOf(async () => expect((await send(15_000_000)).status).toBe(200));
    console.info(`memory, 15 MB of JSON: +${(growth / MIB).toFixed(1)} MiB`);
    expect(growth).toBeLessThan(6 * 15_000_000);
    const tooLarge = await send(21 * MIB);
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.text).toContain('"request_too_large"');
    // Who asks first is spared the upload.
    expect(await statusBeforeBody(`${gateway.url}/v1/chat/completions`, 21 * MIB)).toBe(413);
  });

  /** Asked before the body is sent (RFC 9110, section 10.1.1). */
  function statusBeforeBody(url: string, bytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = {
        "content-type": "application/json",
        "content-length": bytes,
        expect: "100-continue",
      };
      const asked = httpRequest(url, { method: "POST", headers });
      asked.on("error", reject);
      asked.on("continue", () => reject(new Error("the body was asked for")));
      asked.on("response", ({ statusCode }) => {
        resolve(statusCode!);
        asked.off("error", reject).on("error", () => {});
        asked.destroy();
      });
      asked.flushHeaders();
    });
  }

  async function startDisposable(speechBytes: number) {
    const models = [MODEL, "whisper-1", "tts-1"];
    const backend = await startSimulatedBackend({ dialect: "openai", models, speechBytes });
    return { url: backend.url, [Symbol.asyncDispose]: () => backend.close() };
  }
});
