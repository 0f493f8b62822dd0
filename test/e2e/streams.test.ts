import { EventEmitter, once } from "node:events";
import { describe, expect, it } from "vitest";
import { connectRaw, readHeaders, requestText } from "../_support/raw-client.ts";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import type { UpstreamConnection } from "../_support/scripted-upstream.ts";
import {
  ALIAS,
  answering,
  chat,
  chatBody,
  chatStream,
  delta,
  DONE,
  errorEvent,
  event,
  EVENT_STREAM,
  FINISH,
  MODEL,
  ollamaAt,
  post,
  scripted,
  simulated,
  stageBefore,
  startStage,
  streamReply,
} from "./_stage.ts";

const ROLE = event({ choices: [{ index: 0, delta: { role: "assistant" }, finish_reason: null }] });
const USAGE = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } });
const ASKED = { stream_options: { include_usage: true } };

interface Chunk {
  id: string;
  created: number;
  model: string;
  choices: { delta: Record<string, unknown> & { content?: string }; finish_reason: string | null }[];
  usage?: unknown;
}

/** The chunks of a whole stream; its terminator is checked and left out. */
function chunksOf(stream: string): Chunk[] {
  const events = stream.trimEnd().split("\n\n");
  expect(events.pop()).toBe("data: [DONE]");
  return events.map((text) => JSON.parse(text.replace(/^data: /, "")) as Chunk);
}

describe("a stream in the client's own dialect", () => {
  it("st-1: arrives event for event, with its one terminator", async () => {
    const sent = [ROLE, delta("a"), delta("b"), FINISH, DONE];
    const stage = await stageBefore(await answering(streamReply(...sent)));
    expect(await chatStream(stage, ASKED)).toBe(sent.join(""));
  });

  it("E4: passes comments, empty lines and unknown fields on, and reads `data` by the letter", async () => {
    const sent = [
      ": ping\n\n",
      "\n",
      "data\n\n",
      "data:\n\n",
      "colour: blue\n\n",
      `id: 7\ncolour: blue\n: in between\n${delta("a")}`,
      delta("b").replace("data: ", "data:"),
      delta("c").replace("data: ", "data:  "),
      FINISH,
      DONE,
    ].join("");
    const stage = await stageBefore(await answering(streamReply(sent)));
    expect(await chatStream(stage, ASKED)).toBe(sent);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("mo-4: keeps every other line and byte of an event whose model's name is restored", async () => {
    const sent = `: note\nid: 7\ndata:{"n": 1.0, "model":"${MODEL}", "choices":[{"delta":{"content":"\\u00e9"}}]}\n\n`;
    const stage = await stageBefore(await answering(streamReply(sent, FINISH, DONE)));
    const stream = await chatStream(stage, { model: ALIAS, ...ASKED });
    expect(stream).toBe((sent + FINISH + DONE).replaceAll(`"${MODEL}"`, `"${ALIAS}"`));
  });

  it("E5: reads data over several lines as one, and writes it as several again", async () => {
    const lines = `data: {"model":"${MODEL}",\ndata: "choices":[{"index":0,"delta":{"content":"a"}}]}\n\n`;
    const stage = await stageBefore(await answering(streamReply(lines, FINISH, DONE)));
    expect(await chatStream(stage, ASKED)).toBe(lines + FINISH + DONE);
    expect(await chatStream(stage, { model: ALIAS, ...ASKED })).toContain(
      `data: {"model":"${ALIAS}",\ndata: "choices":`,
    );
  });

  it("E3: keeps a byte order mark that does not stand in front", async () => {
    const sent = delta("\ufeffa") + FINISH + DONE;
    const stage = await stageBefore(await answering(streamReply(sent)));
    expect(await chatStream(stage, ASKED)).toBe(sent);
  });

  it("E6: is not disturbed by an id with NUL or a retry time that is none", async () => {
    const sent = `id: a\u0000b\nretry: 12x\n${delta("a")}${FINISH}${DONE}`;
    const stage = await stageBefore(await answering(streamReply(sent)));
    expect(await chatStream(stage, ASKED)).toBe(sent);
  });

  it("E7: goes on over invalid UTF-8, which is replaced where it is decoded", async () => {
    const [before, after] = delta("<>").split("<>") as [string, string];
    const invalid = Buffer.concat([Buffer.from(before), Buffer.from([0xc3, 0x28]), Buffer.from(after)]);
    const stage = await stageBefore(await answering(streamReply(invalid, delta("b"), FINISH, DONE)));
    const stream = await chatStream(stage, { model: ALIAS, ...ASKED });
    expect(chunksOf(stream).map(({ choices }) => choices[0]!.delta.content)).toEqual([
      "\ufffd(",
      "b",
      undefined,
    ]);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("E8 st-1: gets its terminator where the backend forgot it after a finish reason", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"), FINISH)));
    expect(await chatStream(stage)).toBe(delta("a") + FINISH + DONE);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("E8: is whole with a bare `data: [DONE]` that lacks its blank line", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"), "data: [DONE]")));
    expect(await chatStream(stage)).toBe(delta("a") + DONE);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it.each(["\t", "\t ", "  ", ""])("st-1: is whole where %j stands before its data", async (blank) => {
    const sent = (delta("a") + FINISH + DONE).replaceAll("data: ", `data:${blank}`);
    const stage = await stageBefore(await answering(streamReply(sent)));
    // The terminator is the gateway's own.
    expect(await chatStream(stage)).toBe(sent.replace(/data:\s*\[DONE\]/, "data: [DONE]"));
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("E8: is whole with `data: [DONE] ` that lacks its blank line and has blanks around it", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"), "data:\t[DONE] ")));
    expect(await chatStream(stage)).toBe(delta("a") + DONE);
  });

  it("E8: loses an unfinished event at its end, which finishes nothing", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"), FINISH.trimEnd())));
    const stream = await chatStream(stage);
    expect(stream).not.toContain('"stop"');
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
  });

  it("E8 E9 st-6: ends in an error event, not in success, with neither finish reason nor terminator", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"))));
    const stream = await chatStream(stage);
    expect(stream.startsWith(delta("a"))).toBe(true);
    expect(stream).not.toContain("[DONE]");
    expect(errorEvent(stream)).toMatchObject({ type: "provider_error", code: "upstream_interrupted" });
    expect(await stage.ended()).toMatchObject({ outcome: "truncated", status: 200 });
  });

  it("E8: is whole only when each of its choices has finished", async () => {
    const finish = (index: number) => event({ choices: [{ index, delta: {}, finish_reason: "stop" }] });
    const stage = await stageBefore(await answering(streamReply(delta("a"), finish(0))));
    expect(errorEvent(await chatStream(stage, { n: 2 })).code).toBe("upstream_interrupted");
  });

  it("st-3: keeps an opening chunk with role and content together", async () => {
    const opening = event({ choices: [{ index: 0, delta: { role: "assistant", content: "a" } }] });
    const stage = await stageBefore(await answering(streamReply(opening, FINISH, DONE)));
    expect(await chatStream(stage)).toBe(opening + FINISH + DONE);
  });
});

describe("the pace of a stream", () => {
  /** Sends each piece only when the test says so. */
  function stepwise(pieces: string[]) {
    const released = new EventEmitter();
    const steps = pieces.map((_, index) => once(released, String(index)));
    return {
      release: (index: number) => void released.emit(String(index)),
      async script(connection: UpstreamConnection) {
        await connection.readRequest();
        await connection.send(replyHead(200, EVENT_STREAM));
        for (const [index, piece] of pieces.entries()) {
          await steps[index];
          await connection.send(chunk(piece));
        }
        await connection.send(LAST_CHUNK);
      },
    };
  }

  it("st-2 E18: hands on each event before the next one is there", async () => {
    const pieces = [ROLE + delta("a"), delta("b"), FINISH, DONE];
    const { script, release } = stepwise(pieces);
    const stage = await stageBefore(await scripted(script));
    const client = await connectRaw(stage.url);
    await client.send(requestText("POST", "/v1/chat/completions", chatRequest()));
    for (const [index, piece] of pieces.entries()) {
      release(index);
      expect(String(await client.readUntil(piece))).toContain(piece);
    }
    client.destroy();
  });

  it("E8: hands on nothing that comes behind the terminator", async () => {
    const stage = await stageBefore(
      await answering(streamReply(ROLE, delta("a"), FINISH, DONE, delta("late"), FINISH)),
    );
    const text = await chatStream(stage);
    expect(text.endsWith(FINISH + DONE)).toBe(true);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("st-2: answers nothing before the first content, and then the role chunk with it", async () => {
    const { script, release } = stepwise([ROLE, delta("a"), FINISH + DONE]);
    const stage = await stageBefore(await scripted(script), { timeouts: { firstTokenMs: 300 } });
    release(0);
    const late = await chat(stage, { stream: true });
    expect(late.status).toBe(504);
  });

  it("st-10: never cuts a stream that goes on beyond `totalMs`", async () => {
    const backend = await simulated({ tokens: 12, tokenMs: 100 });
    const stage = await stageBefore(backend, { timeouts: { totalMs: 1_000 } });
    expect(chunksOf(await chatStream(stage)).length).toBeGreaterThan(12);
    const end = await stage.ended();
    expect(end.outcome).toBe("complete");
    expect(end.durationMs).toBeGreaterThan(1_000);
  });

  it("E16: puts comments into a silent stream, which do not keep the backend's idle limit from breaking", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 3 }] });
    const stage = await stageBefore(backend, {
      server: { limits: { streamKeepAliveMs: 60 } },
      timeouts: { idleMs: 1_000 },
    });
    const stream = await chatStream(stage);
    expect(stream.match(/^: keep-alive\n\n/gm)!.length).toBeGreaterThan(1);
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
  });

  it("E16: leaves a silent stream silent where that is switched off", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 3 }] });
    const stage = await stageBefore(backend, {
      server: { limits: { streamKeepAliveMs: 0 } },
      timeouts: { idleMs: 300 },
    });
    expect(await chatStream(stage)).not.toContain("keep-alive");
  });
});

describe("the reply around a stream", () => {
  it("E18 C4: is not to be stored or buffered, and states no length", async () => {
    const stage = await stageBefore(await simulated());
    const client = await connectRaw(stage.url);
    await client.send(requestText("POST", "/v1/chat/completions", chatRequest()));
    const [status, ...lines] = String(await client.readUntil("\r\n\r\n"))
      .trimEnd()
      .split("\r\n");
    expect(status).toBe("HTTP/1.1 200 OK");
    const headers = readHeaders(lines);
    expect(headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "private, no-store",
      "x-accel-buffering": "no",
      "transfer-encoding": "chunked",
      "x-gatewright-backend": "main",
      "x-gatewright-attempts": "1",
    });
    expect(headers["x-request-id"]).toMatch(/^\S+$/);
    expect(headers).not.toHaveProperty("content-length");
    client.destroy();
  });

  it("E17: HEAD on a streaming route gets headers alone, and calls no backend", async () => {
    const backend = await simulated();
    const stage = await stageBefore(backend);
    const response = await fetch(`${stage.url}/v1/chat/completions`, { method: "HEAD" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect(await response.text()).toBe("");
    expect(backend.requests).toHaveLength(0);
  });
});

describe("the usage of a stream", () => {
  const sent = [delta("a", { usage: null }), FINISH, USAGE, DONE];

  it("E19 st-5: is asked for upstream and kept from a client that did not ask", async () => {
    const upstream = await scripted(async (connection) => {
      const { body } = await connection.readRequest();
      expect(JSON.parse(String(body))).toEqual(
        chatBody({ stream: true, stream_options: { include_usage: true } }),
      );
      await connection.send(streamReply(...sent));
    });
    const stage = await stageBefore(upstream);
    expect(await chatStream(stage)).toBe(delta("a") + FINISH + DONE);
    expect((await stage.ended()).usage).toMatchObject({ inputTokens: 3, outputTokens: 4, totalTokens: 7 });
  });

  it("E19: is shown to a client that asked, whose other stream options arrive as well", async () => {
    const options = { include_usage: true, include_obfuscation: false };
    const upstream = await scripted(async (connection) => {
      const { body } = await connection.readRequest();
      expect(JSON.parse(String(body))).toMatchObject({ stream_options: options });
      await connection.send(streamReply(...sent));
    });
    const stage = await stageBefore(upstream);
    expect(await chatStream(stage, { stream_options: options })).toBe(sent.join(""));
    expect((await stage.ended()).usage?.totalTokens).toBe(7);
  });

  it("st-9: is read from the last event of the Responses API", async () => {
    const stage = await stageBefore(await simulated({ tokens: 5 }));
    const response = await post(`${stage.url}/v1/responses`, {
      model: MODEL,
      input: "Say something.",
      stream: true,
    });
    await response.text();
    expect((await stage.ended()).usage).toMatchObject({ outputTokens: 5 });
  });
});

describe("a translated stream", () => {
  const prompt = { messages: [{ role: "user", content: "What is the weather?" }] };
  const tools = [
    {
      type: "function",
      function: {
        name: "get_weather",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      },
    },
  ];

  it("st-3 st-4: opens with a role, closes with a finish reason, and adds up to the whole reply", async () => {
    const backend = await simulated({ dialect: "ollama", tokens: 6 });
    const stage = await startStage({ backends: { main: ollamaAt(backend) } });
    const whole = (await (await chat(stage)).json()) as { choices: { message: { content: string } }[] };
    const chunks = chunksOf(await chatStream(stage));
    expect(chunks[0]!.choices[0]).toMatchObject({ delta: { role: "assistant" }, finish_reason: null });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
    for (const key of ["id", "created", "model"] as const)
      expect(new Set(chunks.map((each) => each[key])).size).toBe(1);
    expect(chunks[0]!.model).toBe(MODEL);
    expect(chunks.map(({ choices }) => choices[0]!.delta.content ?? "").join("")).toBe(
      whole.choices[0]!.message.content,
    );
    expect((await stage.ended(2)).usage?.outputTokens).toBe(6);
  });

  it("st-3 E19: closes with the usage where the client asked for it", async () => {
    const stage = await startStage({ backends: { main: ollamaAt(await simulated({ dialect: "ollama" })) } });
    const chunks = chunksOf(await chatStream(stage, ASKED));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 24 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === undefined || usage === null)).toBe(true);
  });

  it("st-4: carries tool calls whose arguments parse", async () => {
    const stage = await startStage({ backends: { main: ollamaAt(await simulated({ dialect: "ollama" })) } });
    const chunks = chunksOf(await chatStream(stage, { ...prompt, tools }));
    const calls = chunks.flatMap(
      ({ choices }) =>
        (choices[0]?.delta["tool_calls"] as { function: { name: string; arguments: string } }[]) ?? [],
    );
    expect(calls[0]!.function.name).toBe("get_weather");
    expect(JSON.parse(calls.map((call) => call.function.arguments).join(""))).toHaveProperty("city");
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe("tool_calls");
  });

  it("E8 st-6: ends in an error event where the last line never came", async () => {
    const backend = await simulated({ dialect: "ollama", faults: [{ kind: "missing_finish" }] });
    const stage = await startStage({ backends: { main: ollamaAt(backend) } });
    const stream = await chatStream(stage);
    expect(stream).not.toContain("[DONE]");
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
  });
});

function chatRequest() {
  return {
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chatBody({ stream: true })),
  };
}
