import { createHash, randomBytes } from "node:crypto";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { resetBackends, startRig, type Rig } from "./_rig.ts";

let rig: Rig;
let client: OpenAI;
beforeAll(async () => {
  rig = await startRig();
  client = new OpenAI({ baseURL: rig.baseURL, apiKey: "not-needed", maxRetries: 0 });
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

/** Larger than one chunk of a socket, and no text. */
const RECORDING = randomBytes(300_000);
const PNG_START = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

const recording = () => toFile(RECORDING, "speech.mp3", { type: "audio/mpeg" });
const picture = (name: string) =>
  toFile(Buffer.concat([PNG_START, randomBytes(2000)]), name, { type: "image/png" });
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function expectPng(base64: string | undefined): void {
  expect(Buffer.from(base64 ?? "", "base64").subarray(0, 4)).toEqual(PNG_START);
}

describe("openai for Node, audio", () => {
  it("in-7: gets the bytes of speech as the backend sent them, with their type", async () => {
    const request = { model: "tts-1", voice: "alloy", input: "Hello!" } as const;
    const reply = await client.audio.speech.create(request);
    const bytes = Buffer.from(await reply.arrayBuffer());
    const direct = await fetch(`${rig.openai.url}/v1/audio/speech`, {
      method: "POST",
      headers: {
        authorization: rig.openai.requests[0]!.headers.authorization!,
        "content-type": "application/json",
      },
      body: JSON.stringify(request),
    });
    expect(reply.headers.get("content-type")).toBe("audio/mpeg");
    expect(bytes.length).toBeGreaterThan(10_000);
    expect(sha256(bytes)).toBe(sha256(Buffer.from(await direct.arrayBuffer())));
  });

  it("in-7: gets speech as events", async () => {
    const reply = await client.audio.speech.create({
      model: "tts-1",
      voice: "alloy",
      input: "Hello!",
      stream_format: "sse",
    });
    expect(reply.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const text = await reply.text();
    expect(text).toContain('"type":"speech.audio.delta"');
    expect(text).toContain('"type":"speech.audio.done"');
  });

  it("in-8: transcribes a form whose file stands before its model", async () => {
    const reply = await client.audio.transcriptions.create({
      file: await recording(),
      model: "ears",
      language: "de",
    });
    expect(reply.text).toContain(sha256(RECORDING));
    const form = rig.openai.requestsTo("/v1/audio/transcriptions")[0]!.form!;
    expect(form).toMatchObject({
      fields: expect.arrayContaining([
        ["model", "whisper-1"],
        ["language", "de"],
      ]) as unknown,
      files: [{ field: "file", filename: "speech.mp3", bytes: RECORDING.length, sha256: sha256(RECORDING) }],
    });
  });

  it("in-8: gets vtt as text", async () => {
    const reply = await client.audio.transcriptions.create({
      model: "whisper-1",
      file: await recording(),
      response_format: "vtt",
    });
    expect(reply).toMatch(/^WEBVTT\n/);
    expect(reply).toContain(sha256(RECORDING));
  });

  it("in-8: gets segments by verbose_json", async () => {
    const reply = await client.audio.transcriptions.create({
      model: "whisper-1",
      file: await recording(),
      response_format: "verbose_json",
    });
    expect(reply.segments).toHaveLength(1);
    expect(reply.text).toContain(sha256(RECORDING));
  });

  it("in-8: streams a transcription whose deltas join to its text", async () => {
    const stream = await client.audio.transcriptions.create({
      model: "gpt-4o-transcribe",
      file: await recording(),
      stream: true,
    });
    let text = "";
    let done = "";
    for await (const event of stream) {
      if (event.type === "transcript.text.delta") text += event.delta;
      if (event.type === "transcript.text.done") done = event.text;
    }
    expect(text).toContain(sha256(RECORDING));
    expect(done).toBe(text);
  });

  it("in-8: translates", async () => {
    const reply = await client.audio.translations.create({ model: "whisper-1", file: await recording() });
    expect(reply.text).toContain(`${RECORDING.length} bytes of speech.mp3`);
  });
});

describe("openai for Node, images", () => {
  it("in-9: gets two images as base64, with usage", async () => {
    const reply = await client.images.generate({ model: "gpt-image-1", prompt: "A boat", n: 2 });
    expect(reply.data).toHaveLength(2);
    for (const { b64_json } of reply.data!) expectPng(b64_json);
    expect(reply.usage!.output_tokens).toBeGreaterThan(0);
  });

  it("in-9: gets an image as URL", async () => {
    const reply = await client.images.generate({ model: "dall-e-2", prompt: "A boat" });
    expect(reply.data![0]).toMatchObject({
      url: expect.stringMatching(/\.png$/) as string,
      revised_prompt: "A boat",
    });
  });

  it("in-9: streams partial images and the last one", async () => {
    const stream = await client.images.generate({
      model: "gpt-image-1",
      prompt: "A boat",
      stream: true,
      partial_images: 2,
    });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      expectPng(event.b64_json);
    }
    expect(types).toEqual([
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
    ]);
  });

  it("in-9: edits several images by a mask, all of which arrive", async () => {
    const reply = await client.images.edit({
      image: [await picture("one.png"), await picture("two.png")],
      mask: await picture("mask.png"),
      prompt: "Add a boat",
      model: "gpt-image-1",
    });
    expectPng(reply.data![0]!.b64_json);
    const form = rig.openai.requestsTo("/v1/images/edits")[0]!.form!;
    expect(form.files.map(({ filename }) => filename)).toEqual(["one.png", "two.png", "mask.png"]);
  });

  it("in-9: varies an image", async () => {
    const reply = await client.images.createVariation({ image: await picture("one.png"), model: "dall-e-2" });
    expect(reply.data).toHaveLength(1);
  });
});
