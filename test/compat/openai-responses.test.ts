import OpenAI, { APIError, NotFoundError } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseInput, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { DIALECTS, KEYS, MODELS, startResponsesRig, type ResponsesRig } from "./_responses-rig.ts";

let rig: ResponsesRig;
let client: OpenAI;
let other: OpenAI;
beforeAll(async () => {
  rig = await startResponsesRig();
  [client, other] = KEYS.map(
    ({ key }) => new OpenAI({ baseURL: rig.baseURL, apiKey: key, maxRetries: 0 }),
  ) as [OpenAI, OpenAI];
});
beforeEach(() => {
  for (const backend of Object.values(rig.backends)) backend.faults = [];
});
afterAll(() => rig[Symbol.asyncDispose]());

const weather = {
  type: "function" as const,
  name: "get_weather",
  description: "The weather of a city",
  parameters: { type: "object", properties: { city: { const: "Rome" } }, required: ["city"] },
  strict: false,
};

describe.each(DIALECTS)("openai for Node, responses over the chat of %s", (dialect) => {
  const model = MODELS[dialect];

  it("in-10: gets the text and usage, whole and streamed alike", async () => {
    const whole = await client.responses.create({ model, input: "Hello!", instructions: "Be brief" });
    expect(whole).toMatchObject({ object: "response", status: "completed", model, error: null });
    expect(whole.output_text).not.toBe("");
    expect(whole.usage!.total_tokens).toBe(whole.usage!.input_tokens + whole.usage!.output_tokens);

    const stream = await client.responses.create({
      model,
      input: "Hello!",
      instructions: "Be brief",
      stream: true,
    });
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : ""));
    expect(text.join("")).toBe(whole.output_text);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { usage: whole.usage } });
  });

  it("in-10: the stream helper builds the final response, reasoning and tool calls included", async () => {
    const final = await client.responses
      .stream({
        model,
        input: "How is the weather?",
        tools: [weather],
        reasoning: { effort: "low", summary: "auto" },
      })
      .finalResponse();
    const call = final.output.find(({ type }) => type === "function_call");
    expect(call).toMatchObject({ name: "get_weather", arguments: '{"city":"Rome"}', status: "completed" });
    const thought = final.output.find(({ type }) => type === "reasoning");
    if (thought) expect(thought).toMatchObject({ summary: [{ type: "summary_text" }] });
    expect(final.output).toMatchObject((await client.responses.retrieve(final.id)).output);
  });

  it("in-3: goes round with a tool, by history and by the response before", async () => {
    const input: ResponseInput = [{ role: "user", content: "How is the weather?" }];
    const asked = await client.responses.create({ model, input, tools: [weather] });
    const calls = asked.output.filter((item) => item.type === "function_call");
    expect(calls).toHaveLength(1);
    const result = {
      type: "function_call_output" as const,
      call_id: calls[0]!.call_id,
      output: "18 degrees",
    };
    const byHistory = await client.responses.create({
      model,
      input: [...input, ...asked.output, result] as ResponseInput,
      tools: [weather],
    });
    const byId = await client.responses.create({
      model,
      input: [result],
      tools: [weather],
      previous_response_id: asked.id,
    });
    expect(byHistory.output_text).toContain("The tool answered 18 degrees");
    expect(byId.output_text).toBe(byHistory.output_text);
    expect(byId.previous_response_id).toBe(asked.id);
  });

  it("parses structured output, whole and streamed", async () => {
    const format = zodTextFormat(z.object({ city: z.string(), degrees: z.number() }), "weather");
    const body = { model, input: "How is it?", text: { format } };
    const parsed = await client.responses.parse(body);
    expect(parsed.output_parsed).toMatchObject({ city: expect.any(String) as string });
    const streamed = await client.responses.stream(body).finalResponse();
    expect(streamed.output_parsed).toEqual(parsed.output_parsed);
  });

  it("says why an answer is not whole", async () => {
    const cut = await client.responses.create({ model, input: "Hello!", max_output_tokens: 2 });
    expect(cut).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
  });

  it("retrieves, lists and deletes a response", async () => {
    const made = await client.responses.create({ model, input: "Hello!" });
    const { output_text: _, ...wire } = made;
    expect(await client.responses.retrieve(made.id)).toMatchObject(wire);
    const items = [];
    for await (const item of client.responses.inputItems.list(made.id)) items.push(item);
    expect(items).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "Hello!" }] },
    ]);
    await client.responses.delete(made.id);
    await expect(client.responses.retrieve(made.id)).rejects.toThrow(NotFoundError);
    await expect(client.responses.cancel(made.id)).rejects.toThrow(NotFoundError);
  });

  it("lists long inputs page by page", async () => {
    const input = Array.from({ length: 45 }, (_, index) => ({
      role: "user" as const,
      content: `Line ${index}`,
    }));
    const { id } = await client.responses.create({ model, input });
    const seen: unknown[] = [];
    for await (const item of client.responses.inputItems.list(id, { order: "asc" }))
      seen.push((item as { content: unknown }).content);
    expect(seen).toEqual(input.map(({ content }) => [{ type: "input_text", text: content }]));
  });

  it("streams go on from one another", async () => {
    const first = await client.responses.stream({ model, input: "One" }).finalResponse();
    const second = await client.responses
      .stream({ model, input: "Two", previous_response_id: first.id })
      .finalResponse();
    const { messages } = rig.backends[dialect].requests.at(-1)!.json as { messages: { content: string }[] };
    expect(messages.map(({ content }) => content)).toEqual(["One", first.output_text, "Two"]);
    expect((await client.responses.retrieve(second.id)).previous_response_id).toBe(first.id);
  });

  it("finds nothing of another key's", async () => {
    const { id } = await client.responses.create({ model, input: "Hello!" });
    await expect(other.responses.retrieve(id)).rejects.toThrow(NotFoundError);
    await expect(
      other.responses.create({ model, input: "a", previous_response_id: id }),
    ).rejects.toMatchObject({ status: 404, code: "previous_response_not_found" });
  });

  it("st-6: throws on a stream that was cut", async () => {
    rig.backends[dialect].faults = [{ kind: "cut", afterEvents: 3 }];
    const stream = await client.responses.create({ model, input: "Hello!", stream: true });
    const read = async (): Promise<void> => {
      for await (const event of stream) expect(event.type).not.toBe("response.completed");
    };
    await expect(read()).rejects.toThrow(APIError);
  });
});
