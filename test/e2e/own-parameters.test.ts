/** What layers read of a front door that a plugin brings: they know it by its `parameters` alone. */
import { balancer } from "@gatewright/balancer";
import { modelMappings } from "@gatewright/model-mappings";
import { rateLimit } from "@gatewright/rate-limit";
import { defineGatewayPlugin, defineOperation, isJsonObject, openaiDialect } from "gatewright";
import type { Plugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { MODEL, openaiAt, post, simulated, startStage } from "./_stage.ts";

declare module "gatewright" {
  interface OperationNames {
    outlook: true;
  }
}

/** `POST /v1/outlook`: `{ model, sky, settings: { most } }`. */
const outlook = defineGatewayPlugin({
  name: "outlook",
  options: v.strictObject({}),
  operations: ["outlook"],
  setup: () => ({
    operations: [
      defineOperation({
        name: "outlook",
        method: "POST",
        paths: ["/v1/outlook"],
        dialect: openaiDialect,
        body: "json",
        reply: "json",
        replaySafe: true,
        parameters: { temperature: [], outputLimit: [{ within: "settings", name: "most" }] },
        bridge: {
          operation: "chat",
          toRequest: ({ sky, settings }) => ({
            body: {
              messages: [{ role: "user", content: String(sky) }],
              max_tokens: isJsonObject(settings) ? settings["most"] : undefined,
            },
          }),
          fromResponse: (reply) => reply,
        },
      }),
    ],
  }),
});

async function stageOf(plugins: readonly Plugin[]) {
  const [near, far] = [await simulated(), await simulated()];
  const stage = await startStage({
    backends: { near: openaiAt(near), far: openaiAt(far) },
    plugins: [outlook(), ...plugins],
  });
  const ask = (rest: Record<string, unknown>): Promise<Response> =>
    post(`${stage.url}/v1/outlook`, { model: MODEL, sky: "grey", ...rest });
  return { near, far, ask };
}

const limitsSent = ({ requests }: SimulatedBackend): unknown[] =>
  requests.map(({ json }) => (json as Record<string, unknown>)["max_tokens"]);

describe("an operation of a plugin's own", () => {
  it("is bounded by a rate limit in tokens, which caps it where it sets no limit", async () => {
    const { near, ask } = await stageOf([
      rateLimit({ unit: "tokens", rate: 10_000, per: "hour", tokens: { defaultMaxOutput: 100 } }),
    ]);
    expect((await ask({ settings: { most: 9_000 } })).status).toBe(200);
    expect((await ask({})).status).toBe(200);
    expect((await ask({ settings: { most: 20_000 } })).status).toBe(429);
    expect(limitsSent(near)).toEqual([9_000, 100]);
  });

  it("is priced by the longest answer that it asks for", async () => {
    const prices = {
      [`near/${MODEL}`]: { prompt: 1, completion: 10 },
      [`far/${MODEL}`]: { prompt: 10, completion: 1 },
    };
    const { near, far, ask } = await stageOf([balancer({ strategy: "least-cost", prices })]);
    // Of some sixty bytes of prompt one token costs less at one of them, ten thousand at the other.
    expect((await ask({ settings: { most: 1 } })).status).toBe(200);
    expect((await ask({ settings: { most: 10_000 } })).status).toBe(200);
    expect([limitsSent(near), limitsSent(far)]).toEqual([[1], [10_000]]);
  });

  it("is adjusted by a mapping", async () => {
    const mappings = [{ model: MODEL, provider: "near", targetModel: MODEL, maxTokensMultiplier: 0.5 }];
    const { near, ask } = await stageOf([modelMappings({ mappings })]);
    expect((await ask({ settings: { most: 10, x: 1 } })).status).toBe(200);
    expect(limitsSent(near)).toEqual([5]);
  });
});
