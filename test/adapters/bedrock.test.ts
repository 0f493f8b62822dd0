import { playBackend, testAdapter } from "@gatewright/adapter-tests";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { env, resolveConfig, serve } from "gatewright";
import type { JsonObject, OutgoingCall } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { amazonEventStream } from "../../adapters/src/_bedrock/event-stream.ts";
import { signRequest } from "../../adapters/src/_bedrock/signature.ts";
import bedrock, { BedrockOptions, fields } from "../../adapters/src/bedrock.ts";
import { encodeFrame } from "./_amazon-frames.ts";
import { exchangesOf } from "./_exchanges.ts";

const user = { role: "user", content: "Hi" };
const own = { options: { region: "eu-central-1" } };
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

testAdapter(bedrock, {
  exchanges: exchangesOf("bedrock"),
  withoutEffect: [
    // There is one kind of cache, and a schema is always kept to.
    "tools[].cache_control.type",
    "messages[].content[].cache_control.type",
    "response_format.json_schema.strict",
  ],
  leftOut: ["chat-tool-choice-allowed", "chat-tool-choice-none"],
  fields,
  fieldTests: {
    chat: {
      backend: { ...own, model: "anthropic.claude-sonnet-4-6" },
      samples: {
        top_k: 40,
        stop: "END",
        response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } },
        service_tier: "priority",
        inferenceConfig: { topP: 0.5 },
        toolConfig: { tools: [] },
        outputConfig: { effort: "max" },
        guardrailConfig: { guardrailIdentifier: "gr-1", guardrailVersion: "1" },
        additionalModelRequestFields: { top_k: 5 },
        additionalModelResponseFieldPaths: ["/id"],
        performanceConfig: { latency: "optimized" },
        requestMetadata: { team: "b" },
        serviceTier: { type: "reserved" },
      },
      byExchange: ["tool_choice"],
    },
    embeddings: {
      backend: { ...own, model: "cohere.embed-english-v3" },
      samples: {
        input_type: "clustering",
      },
      byExchange: ["encoding_format"],
    },
    messages: {
      backend: { ...own, model: "anthropic.claude-sonnet-4" },
      request: { max_tokens: 8, messages: [user] },
      samples: { stream: true },
    },
    messagesCountTokens: {
      backend: { ...own, model: "anthropic.claude-sonnet-4" },
      request: { messages: [user] },
      unwrap(body) {
        const { invokeModel } = body["input"] as { invokeModel: { body: string } };
        return JSON.parse(Buffer.from(invokeModel.body, "base64").toString()) as JsonObject;
      },
    },
  },
});

describe("options of bedrock", () => {
  const issues = (options: unknown) =>
    v.safeParse(BedrockOptions, options).issues?.map(({ message }) => message);

  it("make the URL, by region and partition", () => {
    const baseURL = bedrock.baseURL as (options: unknown) => string;
    expect(baseURL({ region: "eu-central-1" })).toBe("https://bedrock-runtime.eu-central-1.amazonaws.com");
    expect(baseURL({ region: "cn-north-1" })).toBe("https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
  });

  it("ask for a region, and for both halves of an access key", () => {
    expect(issues({ region: "us-gov-west-1", accessKeyId: "AKID", secretAccessKey })).toBeUndefined();
    expect(issues({ region: "Frankfurt" })).toEqual(["a region of AWS, such as `us-east-1`"]);
    expect(issues({ region: "x.example/eu-west-1" })).toHaveLength(1);
    expect(issues({ region: "us-east-1", accessKeyId: "AKID" })).toEqual([
      "an object with both `accessKeyId` and `secretAccessKey`, or neither",
    ]);
  });

  it("P: keep secrets masked", () => {
    const options = v.parse(BedrockOptions, {
      region: "us-east-1",
      accessKeyId: env("GATEWRIGHT_TEST_UNSET", "AKIDEXAMPLE"),
      secretAccessKey: env("GATEWRIGHT_TEST_UNSET", secretAccessKey),
    });
    expect(JSON.stringify(options)).not.toMatch(/AKIDEXAMPLE|wJalr/);
  });
});

describe("signatures of bedrock", () => {
  const now = new Date("2026-01-02T03:04:05Z");
  const callTo = (url: string, body: string): OutgoingCall => ({
    method: "POST",
    url: new URL(url),
    headers: { "content-type": "application/json", via: "1.1 gatewright", "x-request-id": "r-1" },
    body,
  });

  // Both computed with botocore 1.43.11 (`botocore.auth.SigV4Auth`), Amazon's signer for Python.
  it("equal those of another signer of Amazon's", async () => {
    const call = callTo(
      "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse",
      '{"messages":[]}',
    );
    const account = { region: "us-east-1", accessKeyId: "AKIDEXAMPLE", secretAccessKey };
    expect(await signRequest(call, account, now)).toEqual({
      "x-amz-date": "20260102T030405Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, " +
        "SignedHeaders=content-type;host;x-amz-date, " +
        "Signature=0e77d6bf086533596de092c06c18106ace5bb0ab5bb9c239f1e04126db9086b0",
    });
  });

  it("hold for an ARN in the path, a session token and text beyond ASCII", async () => {
    const call = callTo(
      "https://bedrock-runtime.eu-central-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012" +
        "%3Ainference-profile%2Feu.anthropic.claude-sonnet-4-20250514-v1%3A0/converse-stream",
      '{"messages":[{"role":"user","content":[{"text":"Grüße 👋"}]}]}',
    );
    const account = {
      region: "eu-central-1",
      accessKeyId: "ASIAEXAMPLE",
      secretAccessKey,
      sessionToken: "AQoDYXdzEPT//////////wEXAMPLE",
    };
    expect(await signRequest(call, account, now)).toEqual({
      "x-amz-date": "20260102T030405Z",
      "x-amz-security-token": "AQoDYXdzEPT//////////wEXAMPLE",
      authorization:
        "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260102/eu-central-1/bedrock/aws4_request, " +
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, " +
        "Signature=a65d5127580dbb66eff3abe779ace13b185c020060cd0349cee5a83fa7795e32",
    });
  });

  it("are not made with an API key, and an account with neither is told so", async () => {
    const call = callTo("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse", "{}");
    const signal = new AbortController().signal;
    const options = v.parse(BedrockOptions, { region: "us-east-1" });
    expect(await bedrock.authorize!(call, { apiKey: "k", options, refused: false, signal })).toEqual({});
    expect(await bedrock.authorize!(call, { apiKey: "k", options, refused: true, signal })).toBeUndefined();
    await expect(
      bedrock.authorize!(call, { apiKey: undefined, options, refused: false, signal }),
    ).rejects.toThrow(/neither `apiKey` nor `accessKeyId`/);
  });

  it("P: sign what leaves the gateway, byte for byte, and never send the secret", async () => {
    const upstream = await playBackend({
      status: 200,
      headers: { "content-type": "application/json" },
      body: {
        output: { message: { role: "assistant", content: [{ text: "Hello" }] } },
        stopReason: "end_turn",
        usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
      },
    });
    const model = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0";
    const resolved = await resolveConfig(
      {
        server: { host: "127.0.0.1", port: 0 },
        log: { level: "silent" },
        backends: {
          aws: {
            adapter: "bedrock",
            baseURL: upstream.url,
            region: "eu-central-1",
            accessKeyId: env("GATEWRIGHT_TEST_UNSET", "AKIDEXAMPLE"),
            secretAccessKey: env("GATEWRIGHT_TEST_UNSET", secretAccessKey),
            models: [model],
          },
        },
        models: { nova: { targets: [{ backend: "aws", model }] } },
        plugins: [],
      },
      { dir: import.meta.dirname },
    );
    if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
    const gateway = await serve(resolved.config);
    try {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "nova", messages: [{ role: "user", content: "Grüße" }] }),
      });
      expect(await response.json()).toMatchObject({ model: "nova" });
      const { path, headers, body } = upstream.received[0]!;
      expect(path).toBe(`/model/${encodeURIComponent(model)}/converse`);
      expect(headers["authorization"]).toBe(
        signatureOf({ path: path!, headers, body: JSON.stringify(body), region: "eu-central-1" }),
      );
      expect(JSON.stringify([path, headers, body])).not.toContain(secretAccessKey);
    } finally {
      await gateway.stop(1_000);
      await upstream.close();
    }
  });
});

/**
 * Signature Version 4 written down from its description, for what arrived at a server:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function signatureOf(sent: {
  path: string;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
  region: string;
}): string {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const time = String(sent.headers["x-amz-date"]);
  const scope = `${time.slice(0, 8)}/${sent.region}/bedrock/aws4_request`;
  const names = ["content-type", "host", "x-amz-date"];
  const canonical = [
    "POST",
    sent.path.split("/").map(encodeURIComponent).join("/"),
    "",
    ...names.map((name) => `${name}:${String(sent.headers[name])}`),
    "",
    names.join(";"),
    sha256(sent.body),
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, toSign).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

describe("Amazon's event stream", () => {
  const read = (...chunks: Uint8Array[]): JsonObject[] => {
    const events: JsonObject[] = [];
    const decoder = amazonEventStream.create();
    for (const chunk of chunks) decoder.push(chunk, (json) => events.push(json));
    decoder.end((json) => events.push(json));
    return events;
  };
  const hello = encodeFrame({ event: "contentBlockDelta", payload: { delta: { text: "Grüße" } } });

  // The bytes of `{"a":1}` as `x`, put together by hand from the format's description.
  it("is read from bytes that no library wrote", () => {
    const headers = Buffer.concat(
      [
        [":message-type", "event"],
        [":event-type", "x"],
      ].map(([name, value]) =>
        Buffer.concat([
          Buffer.from([name!.length]),
          Buffer.from(name!),
          Buffer.from([7, 0, value!.length]),
          Buffer.from(value!),
        ]),
      ),
    );
    const payload = Buffer.from('{"a":1}');
    const prelude = Buffer.alloc(8);
    prelude.writeUInt32BE(16 + headers.length + payload.length, 0);
    prelude.writeUInt32BE(headers.length, 4);
    const sum = (bytes: Buffer) => {
      const out = Buffer.alloc(4);
      out.writeUInt32BE(crc32(bytes));
      return out;
    };
    const head = Buffer.concat([prelude, sum(prelude), headers, payload]);
    expect(read(Buffer.concat([head, sum(head)]))).toEqual([{ x: { a: 1 } }]);
  });

  it("E12: reads the same wherever it is cut", () => {
    const frame = fc.oneof(
      fc.record({
        event: fc.constantFrom("messageStart", "contentBlockDelta"),
        payload: fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>,
      }),
      fc.record({
        exception: fc.constant("throttlingException"),
        payload: fc.record({ message: fc.string() }),
      }),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat({ max: 400 })), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encodeFrame));
        const places = [0, ...cuts.filter((at) => at <= bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(JSON.stringify(read(...pieces))).toBe(JSON.stringify(read(bytes)));
        expect(read(bytes)).toHaveLength(frames.length);
      }),
      { seed: 20_260_102, numRuns: 200 },
    );
  });

  it("throws on a frame in which any byte was changed", () => {
    // A length that grew takes more bytes for its own.
    const more = new Uint8Array(70_000);
    for (let at = 0; at < hello.length; at++) {
      const broken = Uint8Array.from(hello);
      broken[at] = broken[at]! ^ 0x01;
      let read = 0;
      const push = () => amazonEventStream.create().push(Buffer.concat([broken, more]), () => read++);
      expect(push, `byte ${at}`).toThrow();
      expect(read, `byte ${at}`).toBe(0);
    }
  });

  it("throws on bytes that are no frames, and on payloads that are no objects", () => {
    expect(() => read(randomBytes(64).fill(0xff, 0, 4))).toThrow(/frame of/);
    expect(() => read(Buffer.from("event: message\ndata: {}\n\n"))).toThrow(/frame of/);
    expect(() => read(Buffer.alloc(16))).toThrow(/frame of/);
    for (const payload of [[1], "x", 1, null])
      expect(() => read(encodeFrame({ event: "x", payload: payload as unknown as JsonObject }))).toThrow();
  });

  it("leaves out a frame that is unfinished at the end", () => {
    expect(read(hello, hello.subarray(0, -1))).toEqual([{ contentBlockDelta: { delta: { text: "Grüße" } } }]);
  });
});

/** CRC-32 as of RFC 1952, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe("errors of bedrock", () => {
  it.each([null, "busy", [], {}, { message: "" }, { Message: 1 }])("finds no message in %j", (body) => {
    expect(bedrock.fromError?.(500, body)).toEqual({});
  });

  it.each(["chat", "embeddings", "messages", "messagesCountTokens"] as const)(
    "takes an empty body for no answer of %s",
    (operation) => expect(bedrock.errorInReply?.({}, operation)).toMatchObject({ status: 502 }),
  );
});
