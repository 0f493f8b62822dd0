import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GoogleGenAI } from "@google/genai";
import { geminiApi } from "@gatewright/gemini-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

const MODEL = "gemini-3-flash";
const head = {
  id: "v1_kept",
  object: "interaction",
  created: "2026-01-01T00:00:00Z",
  updated: "2026-01-01T00:00:00Z",
};
const usage = { total_input_tokens: 1, total_output_tokens: 1, total_tokens: 2 };
const steps = [{ type: "model_output", content: [{ type: "text", text: "Hello" }] }];
const EVENTS = [
  { event_type: "interaction.created", interaction: { ...head, model: MODEL, status: "in_progress" } },
  { event_type: "step.start", index: 0, step: { type: "model_output" } },
  { event_type: "step.delta", index: 0, delta: { type: "text", text: "Hello" } },
  { event_type: "step.stop", index: 0 },
  { event_type: "interaction.completed", interaction: { ...head, model: MODEL, status: "completed", usage } },
];

const upstream = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    if (body.includes('"stream":true')) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const event of EVENTS)
        response.write(`event: ${event.event_type}\ndata: ${JSON.stringify(event)}\n\n`);
      response.end("event: done\ndata: [DONE]\n\n");
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    const isDeletion = request.method === "DELETE";
    response.end(
      JSON.stringify(isDeletion ? {} : { ...head, model: MODEL, status: "completed", steps, usage }),
    );
  });
});
let gateway: TestGateway;
let client: GoogleGenAI;
beforeAll(async () => {
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const baseURL = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1beta`;
  gateway = await startTestGateway({
    backends: { google: { adapter: "gemini", baseURL, apiKey: "sk-upstream-0123456789", models: [MODEL] } },
    models: { flash: { targets: [{ backend: "google", model: MODEL }] } },
    plugins: [geminiApi()],
  });
  client = new GoogleGenAI({ apiKey: "not-needed", httpOptions: { baseUrl: gateway.url } });
});
afterAll(async () => {
  await gateway.close();
  upstream.closeAllConnections();
  upstream.close();
});

it("@google/genai makes, continues, reads, cancels and deletes interactions", async () => {
  const first = await client.interactions.create({ model: "flash", input: "Hello" });
  expect([first.id, first.model, first.status]).toEqual(["v1_kept", "flash", "completed"]);
  const second = await client.interactions.create({
    model: "flash",
    input: "And?",
    previous_interaction_id: first.id,
  });
  expect(second.steps).toEqual(steps);
  expect((await client.interactions.get(first.id)).model).toBe("flash");
  expect((await client.interactions.cancel(first.id)).id).toBe("v1_kept");
  await client.interactions.delete(first.id);
  await expect(client.interactions.get(first.id)).rejects.toThrow("no interaction");
});

it("@google/genai streams an interaction", async () => {
  const events: string[] = [];
  for await (const event of await client.interactions.create({
    model: "flash",
    input: "Hello",
    stream: true,
  })) {
    events.push(event.event_type);
    if (event.event_type === "interaction.completed") expect(event.interaction.model).toBe("flash");
  }
  expect(events).toEqual(EVENTS.map((event) => event.event_type));
});
