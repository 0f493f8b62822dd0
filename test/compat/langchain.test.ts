import type { AIMessageChunk } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { BACKENDS, CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

function connect(model: string): ChatOpenAI {
  return new ChatOpenAI({
    model,
    apiKey: "not-needed",
    maxRetries: 0,
    configuration: { baseURL: rig.baseURL },
  });
}

const weather = tool(({ city }) => `18 degrees in ${city}`, {
  name: "get_weather",
  description: "The weather of a city",
  schema: z.object({ city: z.literal("Rome") }),
});

describe.each(BACKENDS)("LangChain on the %s backend", (name) => {
  const model = CHAT_MODELS[name];

  it("in-1: invokes", async () => {
    const reply = await connect(model).invoke("Hello!");
    expect(reply.text).not.toBe("");
    expect(reply.response_metadata).toMatchObject({ finish_reason: "stop" });
    expect(reply.usage_metadata!.output_tokens).toBeGreaterThan(0);
  });

  it("st-4: streams chunks that join to the whole text", async () => {
    const whole = await connect(model).invoke("Hello!");
    const pieces: string[] = [];
    for await (const chunk of await connect(model).stream("Hello!")) pieces.push(chunk.text);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(whole.text);
  });

  it("in-2: calls a bound tool, whole and streamed, and takes its result", async () => {
    const bound = connect(model).bindTools([weather]);
    const question = "How is the weather?";
    const calling = await bound.invoke(question);
    expect(calling.tool_calls).toMatchObject([{ name: "get_weather", args: { city: "Rome" } }]);

    let gathered: AIMessageChunk | undefined;
    for await (const chunk of await bound.stream(question)) gathered = gathered?.concat(chunk) ?? chunk;
    expect(gathered!.tool_calls).toMatchObject([{ name: "get_weather", args: { city: "Rome" } }]);

    const result = await weather.invoke(calling.tool_calls![0]!);
    const answer = await bound.invoke([{ role: "user", content: question }, calling, result]);
    expect(answer.text).toContain("The tool answered 18 degrees in Rome");
  });

  it("in-2: gives structured output", async () => {
    const schema = z.object({ title: z.string(), minutes: z.number().min(5) });
    const structured = connect(model).withStructuredOutput(schema, { name: "recipe", method: "jsonSchema" });
    expect(await structured.invoke("A recipe, please")).toEqual({ title: "example", minutes: 5 });
  });

  it("st-6: throws on a stream that was cut", async () => {
    rig[name].faults = [{ kind: "cut", afterEvents: 5 }];
    const reading = (async () => {
      for await (const _chunk of await connect(model).stream("Hello!"));
    })();
    await expect(reading).rejects.toThrow(/closed the connection|ended the stream/);
  });
});

describe.each(["text-embedding-3-small", "all-minilm"])("LangChain, embeddings by %s", (model) => {
  it("in-5: embeds a query and documents", async () => {
    const embeddings = new OpenAIEmbeddings({
      model,
      apiKey: "not-needed",
      maxRetries: 0,
      configuration: { baseURL: rig.baseURL },
    });
    const [one, two] = await embeddings.embedDocuments(["one", "two"]);
    expect(await embeddings.embedQuery("one")).toEqual(one);
    expect(two).not.toEqual(one);
  });
});
