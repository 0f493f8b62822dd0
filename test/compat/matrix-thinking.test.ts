import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sign } from "../../playground/src/signature.ts";
import { CLIENT_NAMES, CLIENTS, type Client, type Tool } from "./_matrix-clients.ts";
import {
  BACKENDS,
  lastRequest,
  MODELS,
  resetBackends,
  startMatrixRig,
  type BackendName,
  type MatrixRig,
} from "./_matrix-rig.ts";

let rig: MatrixRig;
beforeAll(async () => {
  rig = await startMatrixRig();
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

const tools: Tool[] = ["get_weather", "get_time"].map((name) => ({
  name,
  parameters: { type: "object", properties: { place: { type: "string", enum: ["Rome"] } } },
}));
const ASK_BOTH = "What is the weather, and what the time?";
const RESULTS = ["sunny", "noon"];

/** OpenAI shows no thoughts; the Responses API shows sums of them, which is the vendor's own affair. */
const SHOWN = BACKENDS.filter(shows);
const CELLS = CLIENT_NAMES.flatMap((client) => SHOWN.map((backend) => [client, backend] as const));

function shows(name: BackendName): boolean {
  return name !== "openai" && name !== "chat-only";
}

interface Block {
  type: string;
  thinking?: string;
  signature?: string;
}
interface Part {
  functionCall?: { name: string };
  thoughtSignature?: string;
}

describe.each(CELLS)("%s client on the %s backend", (clientName, backendName) => {
  const model = MODELS[backendName];
  const client = (): Client => CLIENTS[clientName](rig.gateway.url);
  const backend = () => rig.backends[backendName];

  it.each([false, true])("sees the model think, apart from the text, streamed: %s", async (streamed) => {
    backend().settings.text = "Nothing but the text.";
    const answer = await client().ask({ model, text: "Hello!", thinks: true }, streamed);
    expect(answer.text).toBe("Nothing but the text.");
    expect(answer.thinking.split(" ").length).toBeGreaterThan(4);
    // Of one prompt a model thinks the same: it is all there, however it comes.
    const other = await client().ask({ model, text: "Hello!", thinks: true }, !streamed);
    expect(other.thinking).toBe(answer.thinking);
  });

  it.each([false, true])("goes on after calls of a model that thinks, streamed: %s", async (streamed) => {
    const asked = await client().ask({ model, text: ASK_BOTH, tools, thinks: true }, streamed);
    expect(asked.calls).toHaveLength(2);
    expect(asked.thinking).not.toBe("");
    // The backend refuses calls that lack what it signed them with.
    const answered = await client().ask(
      { model, before: asked.after, results: RESULTS, tools, thinks: true },
      streamed,
    );
    expect(answered.text).toContain("The tool answered sunny and noon");
    expectSignatures(asked.thinking);
  });

  function expectSignatures(thinking: string): void {
    const body = lastRequest(backend()).json as {
      messages?: { role: string; content: Block[]; thinking?: string }[];
      contents?: { parts: Part[] }[];
    };
    if (backendName === "anthropic") {
      const turn = body.messages!.find(({ role }) => role === "assistant")!;
      expect(turn.content[0]).toEqual({ type: "thinking", thinking, signature: sign(thinking) });
    } else if (backendName === "ollama") {
      expect(body.messages!.find(({ role }) => role === "assistant")!.thinking).toBe(thinking);
    } else {
      const calls = body.contents!.flatMap(({ parts }) => parts).filter((part) => part.functionCall);
      expect(calls.map((part) => part.thoughtSignature)).toEqual([sign("get_weather"), undefined]);
    }
  }
});

/** All but what a chat client sends on to a server of no known kind, which gets its bytes and judges them itself. */
const MOVES = CLIENT_NAMES.flatMap((client) =>
  BACKENDS.flatMap((first) =>
    BACKENDS.filter((second) => client !== "chat" || second !== "chat-only" || !shows(first)).map(
      (second) => [client, first, second] as const,
    ),
  ),
);

describe.each(MOVES)("%s client with a history of the %s backend", (clientName, first, second) => {
  it.each([false, true])(`goes on at the ${second} backend, streamed: %s`, async (streamed) => {
    const client = CLIENTS[clientName](rig.gateway.url);
    const question = { model: MODELS[first], text: ASK_BOTH, tools, thinks: true };
    const asked = await client.ask(question, streamed);
    const next = { model: MODELS[second], before: asked.after, results: RESULTS, tools };
    expect((await client.ask(next, streamed)).text).toContain("The tool answered sunny and noon");
  });
});
