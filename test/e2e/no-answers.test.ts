/** Replies of 200 that hold no answer: the backend's failure, which layers that judge it see. */
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { describe, expect, it } from "vitest";
import { answering, errorOf, jsonReply, MODEL, openaiAt, post, stageBefore, startStage } from "./_stage.ts";

const CHAT = { messages: [{ role: "user", content: "Hello" }] };
const ANSWERS = [
  ["/v1/chat/completions", CHAT, { choices: [{ index: 0, message: { role: "assistant", content: "Hi" } }] }],
  ["/v1/completions", { prompt: "Hello" }, { choices: [{ index: 0, text: "Hi" }] }],
  ["/v1/embeddings", { input: "Hello" }, { data: [{ index: 0, embedding: [0.5] }] }],
] as const;

describe.each(ANSWERS)("a backend at %s", (path, fields, answer) => {
  const body = { model: MODEL, ...fields };
  const nothing = [{}, { id: "q" }, [], { choices: null, data: null }, { choices: "a", data: {} }];

  it.each(nothing.map((reply) => [JSON.stringify(reply), reply] as const))(
    "that answers %s has failed, and is passed by from then on",
    async (_, reply) => {
      const broken = await answering(jsonReply(reply));
      const alone = await stageBefore(broken);
      const response = await post(alone.url + path, body);
      expect(response.status).toBe(502);
      expect((await errorOf(response)).code).toBe("provider_error");
      expect((await alone.ended()).error?.upstream).toMatchObject({ kind: "malformed", sent: true });

      const whole = await answering(jsonReply({ model: MODEL, ...answer }));
      const stage = await startStage({
        backends: { broken: openaiAt(broken), whole: openaiAt(whole) },
        plugins: [circuitBreaker({ failureThreshold: 1 }), balancer({ strategy: "priority" })],
      });
      expect((await post(stage.url + path, body)).status).toBe(502);
      const second = await post(stage.url + path, body);
      expect(second.status).toBe(200);
      expect(await second.json()).toEqual({ model: MODEL, ...answer });
    },
  );

  it("may answer with whatever else beside", async () => {
    const reply = {
      ...answer,
      id: "",
      object: "odd",
      model: MODEL,
      prompt_filter_results: [{}],
      usage: null,
    };
    const stage = await stageBefore(await answering(jsonReply(reply)));
    expect(await (await post(stage.url + path, body)).json()).toEqual(reply);
  });
});

it.each(["/v1/chat/completions", "/v1/completions"])("has no choice at %s: 502", async (path) => {
  const stage = await stageBefore(await answering(jsonReply({ id: "q", model: MODEL, choices: [] })));
  expect((await post(stage.url + path, { model: MODEL, prompt: "a", ...CHAT })).status).toBe(502);
});
