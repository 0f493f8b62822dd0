import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import { waitForStandstill } from "../_support/wait-for.ts";
import { chatBody, delta, EVENT_STREAM, MODEL, post, scripted, stageBefore } from "./_stage.ts";

const PIECE = "x".repeat(16_000);
/** 32 MB: more than the sockets in between can hold. */
const PIECES = 2_000;

/** Takes the reply, and passes it on when the backend has had time to send more than is held back. */
const lingering = defineGatewayPlugin({
  name: "lingering",
  options: v.strictObject({}),
  setup: () => ({
    middleware: async (ctx, next) => {
      const reply = await next();
      await ctx.sleep(200);
      return reply;
    },
  }),
});

const CASES = [
  {
    what: "events",
    path: "/v1/chat/completions",
    body: chatBody({ stream: true }),
    headers: EVENT_STREAM,
    piece: chunk(delta(PIECE)),
  },
  {
    what: "audio",
    path: "/v1/audio/speech",
    body: { model: MODEL, input: "a", voice: "b" },
    headers: { "content-type": "audio/mpeg", "transfer-encoding": "chunked" },
    piece: chunk(PIECE),
  },
].flatMap((each) => [
  { ...each, how: "at once", plugins: [] },
  { ...each, how: "late", plugins: [lingering()] },
]);

describe("a client that reads slowly", () => {
  it.each(CASES)("E20 1.1: holds the backend back, which goes on later ($what, begun $how)", async (each) => {
    let sent = 0;
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, each.headers));
      for (; sent < PIECES; sent++) await connection.send(each.piece);
      connection.halfClose();
    });
    const stage = await stageBefore(upstream, { timeouts: { idleMs: 100 }, plugins: each.plugins });
    const response = await post(stage.url + each.path, each.body);
    await waitForStandstill("a backend that cannot send", () => sent);
    expect(sent).toBeLessThan(PIECES);
    const reader = response.body!.getReader();
    let bytes = 0;
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.length;
    } catch {
      // The backend never ends its body: audio ends in a broken connection.
    }
    expect(sent).toBe(PIECES);
    expect(bytes).toBeGreaterThanOrEqual(PIECES * PIECE.length);
    expect((await stage.ended()).outcome).toBe("truncated");
  });
});
