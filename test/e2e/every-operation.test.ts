/** What holds for chat holds for every operation: balanced, keyed, retried, kept from excluded targets. */
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { healthCheck } from "@gatewright/health-check";
import { retry } from "@gatewright/retry";
import type { Plugin } from "gatewright";
import { describe, expect, it } from "vitest";
import type { FaultScript, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { sampleRequests, sendSample } from "./_requests.ts";
import { MODEL, openaiAt, simulated, startStage } from "./_stage.ts";
import type { Stage } from "./_stage.ts";

const KEY = "sk-every-operation-0123456789abcdef";
const AUTHORIZED = { authorization: `Bearer ${KEY}` };
const keys = (): Plugin => apiKeys({ keys: [{ id: "tester", key: KEY }] });

interface Pair {
  readonly stage: Stage;
  readonly heavy: SimulatedBackend;
  readonly light: SimulatedBackend;
}

/** Two backends of weights 2 and 1, of which the heavy one has the faults. */
async function pair(plugins: readonly Plugin[], faults: FaultScript = []): Promise<Pair> {
  const [heavy, light] = [await simulated({ faults }), await simulated()];
  const stage = await startStage({
    backends: { heavy: openaiAt(heavy, { weight: 2 }), light: openaiAt(light) },
    plugins,
  });
  return { stage, heavy, light };
}

/** Index, since a form is used up by sending it. */
const cases = sampleRequests(MODEL).flatMap(({ operation, stream }, index) =>
  operation === "models" ? [] : [[`${operation}${stream ? ", streamed" : ""}`, index] as const],
);
const sampleAt = (index: number) => sampleRequests(MODEL)[index]!;

describe.each(cases)("%s", (_, index) => {
  it("ba-15: is balanced by weight, and asks for a key", async () => {
    const { stage, heavy, light } = await pair([keys(), balancer()]);
    for (let count = 0; count < 6; count++) {
      const reply = await sendSample(stage.url, sampleAt(index), AUTHORIZED);
      expect(reply.status).toBe(200);
      await reply.arrayBuffer();
    }
    expect([heavy.requests.length, light.requests.length]).toEqual([4, 2]);
    const refused = await sendSample(stage.url, sampleAt(index));
    expect(refused.status).toBe(401);
    await refused.arrayBuffer();
    expect(heavy.requests.length + light.requests.length).toBe(6);
  });

  it("ba-15: is retried elsewhere, where that is safe and the body was kept", async () => {
    const { stage, heavy, light } = await pair(
      [retry(), balancer({ strategy: "priority" })],
      [{ kind: "status", status: 503 }],
    );
    const sample = sampleAt(index);
    const reply = await sendSample(stage.url, sample);
    await reply.arrayBuffer();
    const again = sample.operation !== "responses" && !(sample.body instanceof FormData);
    expect(reply.status).toBe(again ? 200 : 502);
    expect([heavy.requests.length, light.requests.length]).toEqual([1, again ? 1 : 0]);
  });

  it("ba-1: does not reach a target whose breaker is open, or whose credential is refused", async () => {
    for (const [status, layer] of [
      [500, circuitBreaker({ failureThreshold: 1 })],
      [401, healthCheck({ check: "off" })],
    ] as const) {
      const { stage, heavy, light } = await pair([layer, balancer()], () => ({ kind: "status", status }));
      for (let count = 0; count < 4; count++)
        await (await sendSample(stage.url, sampleAt(index))).arrayBuffer();
      expect([heavy.requests.length, light.requests.length]).toEqual([1, 3]);
    }
  });
});
