import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { makeAudio } from "../../playground/src/speech-audio.ts";
import { parseEvents, post, postForEvents, postForJson, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
let v1: string;
beforeAll(async () => {
  backend = await startSimulatedBackend({
    dialect: "openai",
    models: ["tts-1", "whisper-1", "gpt-4o-transcribe", "gpt-image-1", "dall-e-3"],
  });
  v1 = `${backend.url}/v1`;
});
afterAll(() => backend.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const isPng = (bytes: Buffer) => bytes.subarray(1, 4).toString() === "PNG";

describe("speech", () => {
  const speak = (more: Json = {}) =>
    post(`${v1}/audio/speech`, { model: "tts-1", input: "Hello", voice: "alloy", ...more });

  it("in-7: streams MP3 frames by default, with the headers that a gateway copies", async () => {
    const reply = await speak();
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      "content-type": "audio/mpeg",
      "content-disposition": expect.stringContaining("speech.mp3"),
      etag: expect.any(String),
      "last-modified": expect.any(String),
      "transfer-encoding": "chunked",
    });
    const bytes = Buffer.from(await reply.arrayBuffer());
    expect(bytes.length % 417).toBe(0);
    for (let at = 0; at < bytes.length; at += 417) expect(bytes.readUInt32BE(at)).toBe(0xfffb9000);
  });

  it("makes a WAV file whose header tells its true length", async () => {
    const bytes = Buffer.from(await (await speak({ response_format: "wav" })).arrayBuffer());
    expect(bytes.subarray(0, 4).toString()).toBe("RIFF");
    expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
    expect(bytes.readUInt32LE(40)).toBe(bytes.length - 44);
  });

  it("sends audio of any length, no two blocks alike", async () => {
    backend.settings.speechBytes = 20_000_000;
    const digest = createHash("sha256");
    let length = 0;
    for await (const chunk of (await speak({ response_format: "pcm" })).body!) {
      digest.update(chunk);
      length += chunk.length;
    }
    backend.settings.speechBytes = 16 * 1024;
    expect(length).toBe(20_000_000);
    expect(digest.digest("hex")).toBe(sha256(Buffer.concat([...makeAudio("pcm", 20_000_000)])));
    const hashes = [...makeAudio("pcm", 500_000)].map(sha256);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("carries the same audio in events when asked", async () => {
    const body = { model: "tts-1", input: "Hello", voice: "alloy", stream_format: "sse" };
    const events = (await postForEvents(`${v1}/audio/speech`, body)).map(
      ({ data }) => JSON.parse(data) as Json,
    );
    const audio = events.slice(0, -1).map((event) => Buffer.from(event.audio as string, "base64"));
    expect(Buffer.concat(audio)).toEqual(Buffer.from(await (await speak()).arrayBuffer()));
    expect(events.at(-1)).toMatchObject({ type: "speech.audio.done", usage: { input_tokens: 2 } });
  });

  it.each([
    ["input", { input: "x".repeat(4097) }],
    ["input", { input: undefined }],
    ["voice", { voice: undefined }],
    ["response_format", { response_format: "opus" }],
  ])("refuses a bad %s", async (param, more) => {
    const reply = await speak(more);
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as Json).error.param).toBe(param);
  });
});

describe.each(["transcriptions", "translations"])("%s", (path) => {
  const bytes = Buffer.from("not really audio 🙂");
  function upload(
    fields: Record<string, string>,
    content: Uint8Array<ArrayBuffer> = bytes,
  ): Promise<Response> {
    const form = new FormData();
    form.set("file", new Blob([content], { type: "audio/wav" }), "talk.wav");
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    return fetch(`${v1}/audio/${path}`, { method: "POST", body: form });
  }

  it("in-8: report the size and hash of the file and the fields they saw", async () => {
    const reply = (await (await upload({ model: "whisper-1", language: "en" })).json()) as Json;
    expect(reply.text).toContain(sha256(bytes));
    expect(reply.received).toEqual({
      file: {
        field: "file",
        filename: "talk.wav",
        mimeType: "audio/wav",
        bytes: bytes.length,
        sha256: sha256(bytes),
      },
      fields: [
        ["model", "whisper-1"],
        ["language", "en"],
      ],
    });
  });

  it.each([
    ["text", "text/plain", /^I heard /],
    ["srt", "text/plain", /^1\n00:00:00,000 --> /],
    ["vtt", "text/vtt", /^WEBVTT\n\n00:00:00\.000 --> /],
  ])("answer %s as such", async (response_format, contentType, start) => {
    const reply = await upload({ model: "whisper-1", response_format });
    expect(reply.headers.get("content-type")).toContain(contentType);
    expect(await reply.text()).toMatch(start);
  });

  it("answer segments in verbose_json", async () => {
    const reply = (await (
      await upload({ model: "whisper-1", response_format: "verbose_json" })
    ).json()) as Json;
    expect(reply.segments).toMatchObject([{ id: 0, start: 0, end: reply.duration, text: reply.text }]);
  });

  it("refuse an upload without a file, and a body that is no form", async () => {
    const form = new FormData();
    form.set("model", "whisper-1");
    const reply = await fetch(`${v1}/audio/${path}`, { method: "POST", body: form });
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as Json).error.param).toBe("file");
    const broken = await fetch(`${v1}/audio/${path}`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=x" },
      body: "--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhis",
    });
    expect(broken.status).toBe(400);
    expect((await post(`${v1}/audio/${path}`, { model: "whisper-1" })).status).toBe(400);
  });

  it("keep no more of a large upload than the record's bound", async () => {
    const large = Buffer.alloc(8_000_000, "abc");
    const reply = (await (await upload({ model: "whisper-1" }, large)).json()) as Json;
    expect(reply.received.file.sha256).toBe(sha256(large));
    const record = backend.requests.at(-1)!;
    expect(record.body).toHaveLength(backend.settings.keepBodyBytes);
    expect(record.bodyBytes).toBeGreaterThan(large.length);
  });
});

it("streams a transcription, but not of whisper-1, which ignores the flag", async () => {
  const send = async (model: string) => {
    const form = new FormData();
    form.set("file", new Blob(["x"]), "talk.wav");
    form.set("model", model);
    form.set("stream", "true");
    return fetch(`${v1}/audio/transcriptions`, { method: "POST", body: form });
  };
  const events = parseEvents(await (await send("gpt-4o-transcribe")).text());
  const sent = events.map(({ data }) => JSON.parse(data) as Json);
  expect(sent.at(-1)!.type).toBe("transcript.text.done");
  expect(
    sent
      .slice(0, -1)
      .map(({ delta }) => delta)
      .join(""),
  ).toBe(sent.at(-1)!.text);
  expect((await send("whisper-1")).headers.get("content-type")).toContain("application/json");
});

describe("images", () => {
  const generate = (more: Json) => postForJson(`${v1}/images/generations`, { prompt: "A boat", ...more });

  it("are base64 PNG of GPT models, one an order", async () => {
    const reply = await generate({ model: "gpt-image-1", n: 2, response_format: "url" });
    expect(reply.data).toHaveLength(2);
    for (const { b64_json } of reply.data) expect(isPng(Buffer.from(b64_json, "base64"))).toBe(true);
    expect(reply.usage.total_tokens).toBe(reply.usage.input_tokens + reply.usage.output_tokens);
  });

  it("are URLs of other models, and can be fetched", async () => {
    const { data } = await generate({ model: "dall-e-3" });
    expect(data[0].revised_prompt).toBe("A boat");
    expect(isPng(Buffer.from(await (await fetch(data[0].url)).arrayBuffer()))).toBe(true);
  });

  it("can be made as large as a test needs", async () => {
    backend.settings.imageBytes = 1_000_000;
    const { data } = await generate({ model: "gpt-image-1" });
    backend.settings.imageBytes = 0;
    expect(Buffer.from(data[0].b64_json, "base64").length).toBeGreaterThanOrEqual(1_000_000);
  });

  it("stream partial pictures and then the whole", async () => {
    const body = { model: "gpt-image-1", prompt: "A boat", stream: true, partial_images: 2 };
    const events = await postForEvents(`${v1}/images/generations`, body);
    expect(events.map(({ type }) => type)).toEqual([
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
    ]);
  });

  it("in-9: are edited from repeated images and a mask", async () => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: "gpt-image-1", prompt: "Bluer" }))
      form.set(name, value);
    for (const name of ["image[]", "image[]", "mask"]) form.append(name, new Blob(["x"]), `${name}.png`);
    const reply = await fetch(`${v1}/images/edits`, { method: "POST", body: form });
    expect(reply.status).toBe(200);
    expect(((await reply.json()) as Json).usage.input_tokens_details.image_tokens).toBe(2 * 272);
    expect(backend.requests.at(-1)!.form!.files.map(({ field }) => field)).toEqual([
      "image[]",
      "image[]",
      "mask",
    ]);
  });

  it("are varied without a prompt, but not without an image", async () => {
    const form = new FormData();
    form.set("model", "dall-e-3");
    expect((await fetch(`${v1}/images/variations`, { method: "POST", body: form })).status).toBe(400);
    form.set("image", new Blob(["x"]), "x.png");
    expect((await fetch(`${v1}/images/variations`, { method: "POST", body: form })).status).toBe(200);
  });
});
