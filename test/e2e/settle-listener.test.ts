import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { chatBody, openaiAt, post, simulated, startStage } from "./_stage.ts";

it("a plugin that fails when an attempt is over keeps the answer from nobody, and is logged", async () => {
  const failing = defineGatewayPlugin({
    name: "failing",
    options: v.strictObject({}),
    setup: () => ({
      middleware: async (ctx, next) => {
        const reply = next();
        ctx.attempts.at(-1)!.onSettled(() => {
          throw new Error("broken listener");
        });
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
