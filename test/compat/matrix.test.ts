import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CLIENT_NAMES, CLIENTS, type Client, type Tool } from "./_matrix-clients.ts";
import {
  BACKENDS,
  lastRequest,
  MODELS,
  resetBackends,
  startMatrixRig,
  toldCounts,
  type MatrixRig,
} from "./_matrix-rig.ts";

let rig: MatrixRig;
beforeAll(async () => {
  rig = await startMatrixRig();
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

const CELLS = CLIENT_NAMES.flatMap((client) => BACKENDS.map((backend) => [client, backend] as const));

/** Characters of one to four bytes, a newline, and what a JSON writer has to escape. */
const TEXT = 'One "née" \\ 漢字 and\n😀 🏳️‍🌈 to the end.';
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";

/** A tool whose calls by simulated models always have these arguments. */
function toolFor(name: string, argument: string, value: string): Tool {
  const properties = { [argument]: { type: "string", enum: [value] } };
  return {
    name,
    parameters: { type: "object", properties, required: [argument], additionalProperties: false },
  };
}
const tools = [toolFor("get_weather", "city", "Rome"), toolFor("get_time", "zone", "Ωmega")];
const BOTH_CALLS = [
  { name: "get_weather", args: { city: "Rome" } },
  { name: "get_time", args: { zone: "Ωmega" } },
];
const ASK_BOTH = "What is the weather, and what the time?";
const RESULTS = ["it is 21 degrees", "it is noon"];

const schema = {
  type: "object",
  properties: { city: { type: "string", enum: ["Rome"] }, degrees: { type: "number", enum: [21] } },
  required: ["city", "degrees"],
  additionalProperties: false,
};

describe.each(CELLS)("%s client on the %s backend", (clientName, backendName) => {
  const model = MODELS[backendName];
  const client = (): Client => CLIENTS[clientName](rig.gateway.url);
  const backend = () => rig.backends[backendName];

  it.each([false, true])("gets the text and the model it asked for, streamed: %s", async (streamed) => {
    backend().settings.text = TEXT;
    const answer = await client().ask({ model, text: "Hello, 世界!" }, streamed);
    expect(answer).toMatchObject({ text: TEXT, model, finish: "stop", calls: [], thinking: "" });
    expect(lastRequest(backend()).body.toString()).toContain("Hello, 世界!");
    if (streamed) expect(answer.pieces).toBeGreaterThan(5);
  });

  it("streams just what it answers whole", async () => {
    const question = { model, text: "Hello!", maxTokens: 20 };
    const whole = await client().ask(question, false);
    const streamed = await client().ask(question, true);
    expect({ ...streamed, pieces: 0, after: [] }).toEqual({ ...whole, pieces: 0, after: [] });
    expect(whole).toMatchObject({ finish: "length", usage: { output: 20 } });
  });

  it.each([false, true])(
    "makes parallel calls and goes on with their results, streamed: %s",
    async (streamed) => {
      const asked = await client().ask({ model, text: ASK_BOTH, tools }, streamed);
      expect(asked.calls).toEqual(BOTH_CALLS);
      expect(asked.finish).toBe("tool_calls");
      const answered = await client().ask({ model, before: asked.after, results: RESULTS, tools }, streamed);
      expect(answered.text).toContain("The tool answered it is 21 degrees and it is noon, and so: ");
      expect(answered.finish).toBe("stop");
      // The calls and their results are history then, and the model may call again.
      const again = { model, before: answered.after, text: "And the weather now?", tools };
      const third = await client().ask(again, streamed);
      expect(third.calls).toEqual(BOTH_CALLS.slice(0, 1));
      const last = await client().ask(
        { model, before: third.after, results: ["rain"], text: "Thanks!", tools },
        streamed,
      );
      expect(last.text).not.toBe("");
    },
  );

  it.each([false, true])("shows an image of a data URL, streamed: %s", async (streamed) => {
    const answer = await client().ask({ model, text: "What is this?", image: PIXEL }, streamed);
    expect(answer.text).toContain("I see 1 image");
    expect(lastRequest(backend()).body.toString()).toContain(PIXEL);
  });

  it.each([false, true])("gets JSON by a schema, streamed: %s", async (streamed) => {
    const answer = await client().ask({ model, text: "Where is it warm?", schema }, streamed);
    expect(JSON.parse(answer.text)).toEqual({ city: "Rome", degrees: 21 });
  });

  it.each([false, true])("gets the counts that the backend told, streamed: %s", async (streamed) => {
    backend().settings.cachedTokens = 3;
    const { usage } = await client().ask({ model, text: "Hello, dear model!", thinks: true }, streamed);
    const told = await toldCounts(backendName, backend());
    expect(usage).toEqual(told);
    expect(told.output).toBeGreaterThan(8);
    if (backendName !== "ollama") expect(told).toMatchObject({ cached: 3, reasoning: 8 });
  });

  it.each([false, true])("learns that the answer met its limit, streamed: %s", async (streamed) => {
    const answer = await client().ask({ model, text: "Hello!", maxTokens: 3 }, streamed);
    expect(answer).toMatchObject({ finish: "length", usage: { output: 3 } });
    expect(answer.text).not.toBe("");
  });

  // Ollama has no filter, so there is no such end to tell.
  if (backendName !== "ollama")
    it.each([false, true])("learns that the answer was filtered, streamed: %s", async (streamed) => {
      backend().settings.filtered = true;
      const answer = await client().ask({ model, text: "Hello!" }, streamed);
      expect(answer.finish).toBe("content_filter");
    });

  // The Responses API has no stop strings.
  if (clientName !== "responses")
    it.each([false, true])("ends at a stop string, streamed: %s", async (streamed) => {
      backend().settings.text = "One two three four";
      const answer = await client().ask({ model, text: "Count!", stop: " three" }, streamed);
      expect(answer).toMatchObject({ text: "One two", finish: "stop" });
      // Anthropic alone tells which one it met, and Gemini has no place for it.
      if (backendName === "anthropic" && clientName !== "gemini") expect(answer.stop).toBe(" three");
    });

  it.each([false, true])(
    "gives its instructions where the backend has a place for them, streamed: %s",
    async (streamed) => {
      await client().ask({ model, text: "Hello!", system: "Be brief." }, streamed);
      const body = lastRequest(backend()).json as Record<string, unknown>;
      const { messages } = body as { messages?: { role: string; content: unknown }[] };
      const places: Record<string, unknown> = {
        anthropic: body["system"],
        gemini: body["systemInstruction"],
        openai: body["instructions"] ?? messages?.[0],
        "chat-only": messages?.[0],
        ollama: messages?.[0],
      };
      expect(JSON.stringify(places[backendName])).toContain("Be brief.");
      if (messages && backendName !== "anthropic") expect(messages[0]!.role).toBe("system");
    },
  );
});
