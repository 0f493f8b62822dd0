import { defineGatewayPlugin, type Context } from "gatewright";
import * as v from "valibot";
import { expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { chatBody, openaiAt, post, simulated, startStage } from "./_stage.ts";

const fail = (): never => {
  throw new Error("broken listener");
};
/** As an `async` function does: nobody has to await what is said to give nothing. */
const failLater = (): unknown => Promise.reject(new Error("broken listener"));
const LISTENERS: [name: string, listen: (ctx: Context) => void][] = [
  ["an attempt", (ctx) => ctx.attempts.at(-1)!.onSettled(fail)],
  ["an attempt, later", (ctx) => ctx.attempts.at(-1)!.onSettled(failLater)],
  ["the request", (ctx) => ctx.onFinished(fail)],
  ["the request, later", (ctx) => ctx.onFinished(failLater)],
];

it.each(LISTENERS)("a plugin that fails at the end of %s keeps the answer from nobody", async (_, listen) => {
  const failing = defineGatewayPlugin({
    name: "failing",
    options: v.strictObject({}),
    setup: () => ({
      middleware: async (ctx, next) => {
        const reply = next();
        listen(ctx);
        return reply;
      },
    }),
  });
  const backend = await simulated();
  const stage = await startStage({ backends: { only: openaiAt(backend) }, plugins: [failing()] });
  const reply = await post(`${stage.url}/v1/chat/completions`, chatBody({}), {
    signal: AbortSignal.timeout(5_000),
  });
  expect(reply.status).toBe(200);
  await stage.ended();
  expect(stage.inFlight()).toBe(0);
  await waitFor("the line", () => stage.lines.some((line) => line.includes("broken listener")));
});
