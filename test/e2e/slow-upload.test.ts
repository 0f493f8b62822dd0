import { setTimeout as sleep } from "node:timers/promises";
import { timeout } from "@gatewright/timeout";
import { defineGatewayPlugin, GatewayError, judgeAttempt } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText, type RawClient } from "../_support/raw-client.ts";
import type { UpstreamConnection } from "../_support/scripted-upstream.ts";
import { jsonReply, MODEL, scripted, stageBefore } from "./_stage.ts";

const BOUNDARY = "between";
const FILE = Buffer.alloc(20_000, "a");
const MODEL_PART = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\n${MODEL}\r\n`;
const FILE_HEAD = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n`;
const END = `\r\n--${BOUNDARY}--\r\n`;

/** With the model first the form flows through; behind the file it is spooled. */
const ORDERS = [
  { order: "flows through", before: MODEL_PART + FILE_HEAD, after: END },
  { order: "is spooled", before: FILE_HEAD, after: `\r\n${MODEL_PART.slice(0, -2)}${END}` },
];

function uploadHead({ before, after }: { before: string; after: string }): string {
  return requestText("POST", "/v1/audio/transcriptions", {
    headers: {
      "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
      "content-length": String(before.length + FILE.length + after.length),
    },
  });
}

const LIMIT_MS = 900;

/** Ten pieces over more than a second: longer than the limit. */
async function sendSlowly(client: RawClient): Promise<void> {
  for (let at = 0; at < FILE.length; at += FILE.length / 10) {
    await sleep(120);
    await client.send(FILE.subarray(at, at + FILE.length / 10));
  }
}

const answer = async (connection: UpstreamConnection): Promise<void> => {
  await connection.readRequest();
  await connection.send(jsonReply({ text: "hello" }));
};

describe("an upload that takes its time", () => {
  const cases = ["firstByteMs", "attemptMs", "totalMs"].flatMap((limit) =>
    ORDERS.map((order) => ({ ...order, limit })),
  );
  it.each(cases)(
    "breaks no limit of the backend's: `$limit`, where the form $order",
    async ({ before, after, limit }) => {
      const stage = await stageBefore(await scripted(answer), { timeouts: { [limit]: LIMIT_MS } });
      const client = await connectRaw(stage.url);
      await client.send(uploadHead({ before, after }) + before);
      await sendSlowly(client);
      await client.send(after);
      const reply = await readReply(client);
      expect(reply.status).toBe(200);
      const end = await stage.ended();
      expect(end.outcome).toBe("complete");
      expect(end.attempts).toHaveLength(1);
      client.destroy();
    },
  );

  it.each(["firstByteMs", "totalMs"])("breaks no limit of the timeout plugin's: `%s`", async (limit) => {
    const [{ before, after }] = ORDERS as [(typeof ORDERS)[0]];
    const stage = await stageBefore(await scripted(answer), { plugins: [timeout({ [limit]: LIMIT_MS })] });
    const client = await connectRaw(stage.url);
    await client.send(uploadHead({ before, after }) + before);
    await sendSlowly(client);
    await client.send(after);
    expect((await readReply(client)).status).toBe(200);
    client.destroy();
  });

  it.each(["firstByteMs", "totalMs"])(
    "once it is there, `%s` of the timeout plugin holds for the backend's answer",
    async (limit) => {
      const [{ before, after }] = ORDERS as [(typeof ORDERS)[0]];
      const upstream = await scripted(async (connection) => {
        await connection.readRequest();
      });
      const stage = await stageBefore(upstream, { plugins: [timeout({ [limit]: LIMIT_MS })] });
      const client = await connectRaw(stage.url);
      await client.send(uploadHead({ before, after }) + before);
      await sendSlowly(client);
      await client.send(after);
      expect((await readReply(client)).status).toBe(504);
      const [attempt] = (await stage.ended()).attempts;
      expect(judgeAttempt(attempt!)).toBe("failure");
      client.destroy();
    },
  );

  it("is no time that the backend took: neither to the first byte nor to the first content", async () => {
    const [{ before, after }] = ORDERS as [(typeof ORDERS)[0]];
    const stage = await stageBefore(await scripted(answer));
    const client = await connectRaw(stage.url);
    await client.send(uploadHead({ before, after }) + before);
    await sendSlowly(client);
    await client.send(after);
    expect((await readReply(client)).status).toBe(200);
    const end = await stage.ended();
    const [attempt] = end.attempts;
    // Nine pauses of the client's, of 120 ms each, between its first piece and its last.
    const uploadMs = 9 * 120;
    expect(attempt!.durationMs! - attempt!.timeToFirstByteMs!).toBeGreaterThan(uploadMs / 2);
    expect(attempt!.durationMs! - attempt!.timeToFirstTokenMs!).toBeGreaterThan(uploadMs / 2);
    expect(end.timeToFirstTokenMs).toBeGreaterThan(uploadMs);
    client.destroy();
  });

  it.each(["firstByteMs", "attemptMs", "totalMs"])(
    "once it is there, `%s` holds for the backend's answer",
    async (limit) => {
      const [{ before, after }] = ORDERS as [(typeof ORDERS)[0]];
      const upstream = await scripted(async (connection) => {
        await connection.readRequest();
      });
      const stage = await stageBefore(upstream, { timeouts: { [limit]: LIMIT_MS } });
      const client = await connectRaw(stage.url);
      await client.send(uploadHead({ before, after }) + before);
      await sendSlowly(client);
      await client.send(after);
      expect((await readReply(client)).status).toBe(504);
      const [attempt] = (await stage.ended()).attempts;
      expect(attempt).toMatchObject({
        outcome: "upstream_error",
        error: { upstream: { kind: "timeout", sent: true } },
      });
      client.destroy();
    },
  );

  it("that the backend does not take blames the backend", async () => {
    const [{ before }] = ORDERS as [(typeof ORDERS)[0]];
    const upstream = await scripted(async (connection) => {
      await connection.readUntil("\r\n\r\n");
      connection.socket.pause();
    });
    const stage = await stageBefore(upstream, {
      timeouts: { firstByteMs: 400 },
      server: { limits: { partBytes: 256 * 1024 * 1024 } },
    });
    const client = await connectRaw(stage.url);
    await client.send(
      requestText("POST", "/v1/audio/transcriptions", {
        headers: {
          "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
          "content-length": String(200 * 1024 * 1024),
        },
      }) + before,
    );
    const reply = readReply(client);
    const block = Buffer.alloc(1024 * 1024, "a");
    void (async () => {
      while (!client.ended) await client.send(block);
    })().catch(() => {});
    expect((await reply).status).toBe(504);
    const [attempt] = (await stage.ended()).attempts;
    expect(attempt).toMatchObject({ outcome: "upstream_error", error: { upstream: { kind: "timeout" } } });
    client.destroy();
  });

  it("blames nobody where a plugin's limit ends it", async () => {
    const [{ before, after }] = ORDERS as [(typeof ORDERS)[0]];
    const upstream = await scripted(async (connection) => {
      await connection.readUntil("\r\n\r\n");
    });
    const giveUp = defineGatewayPlugin({
      name: "give-up",
      options: v.strictObject({}),
      setup: () => ({
        middleware: (_ctx, next) => {
          const controller = new AbortController();
          const upstream = { kind: "timeout", sent: true } as const;
          setTimeout(() => controller.abort(new GatewayError("timeout", { upstream })), 300);
          return next({ signal: controller.signal });
        },
      }),
    });
    const stage = await stageBefore(upstream, { plugins: [giveUp()] });
    const client = await connectRaw(stage.url);
    await client.send(uploadHead({ before, after }) + before);
    expect((await readReply(client)).status).toBe(504);
    const [attempt] = (await stage.ended()).attempts;
    expect(judgeAttempt(attempt!)).toBe("none");
    client.destroy();
  });
});
