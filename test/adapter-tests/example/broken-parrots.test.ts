/** The kit tells what is wrong: each of these parrots has one fault. */
import { checkAdapter, readExchanges } from "@gatewright/adapter-tests/checks";
import type { AdapterTests, Exchange } from "@gatewright/adapter-tests/checks";
import { stringifyJson, UnsupportedField } from "gatewright";
import type { Adapter, JsonObject, OperationMapping, StreamFraming, StreamMapping } from "gatewright";
import { describe, expect, it } from "vitest";
import parrot, { fields } from "./parrot.ts";

const exchanges = readExchanges(new URL("./fixtures/", import.meta.url));
const models = { body: { birds: [{ name: "polly" }] }, listed: [{ id: "polly" }] };
const chat = parrot.operations.chat as OperationMapping;
const stream = chat.stream as StreamMapping;

function withChat(change: Partial<OperationMapping>): Adapter {
  return { ...parrot, operations: { chat: { ...chat, ...change } } };
}

/** `group > title` of all that does not hold, each once, and every message. */
async function faultsOf(
  adapter: Adapter,
  tests: Partial<AdapterTests> = {},
): Promise<{ titles: string[]; messages: string }> {
  const findings = await checkAdapter(adapter, { exchanges, fields, models, ...tests });
  return {
    titles: [...new Set(findings.map(({ group, title }) => `${group} > ${title}`))],
    messages: findings.map(({ message }) => message).join("\n"),
  };
}

it("finds nothing wrong with the parrot that is whole", async () => {
  expect(await faultsOf(parrot)).toEqual({ titles: [], messages: "" });
});

describe("the kit finds a parrot that", () => {
  it("in-3: drops a field in silence", async () => {
    const { titles } = await faultsOf(
      withChat({
        toRequest(request, info) {
          const mapped = chat.toRequest!(request, info);
          return { ...mapped, dropped: mapped.dropped?.filter((name) => name !== "user") };
        },
      }),
    );
    expect(titles).toEqual(
      expect.arrayContaining([
        "fields of chat > user: drop",
        "a plain answer > writes the upstream request, the same each time",
        "a plain answer > is the same through a gateway, on the wire",
        "a plain answer > carries, reports or refuses every value of the request",
      ]),
    );
  });

  it("J5: writes members by assignment, which loses what objects inherit", async () => {
    const { titles } = await faultsOf(
      withChat({
        toRequest(request, info) {
          const mapped = chat.toRequest!(request, info);
          const body: JsonObject = {};
          for (const [name, value] of Object.entries(mapped.body)) body[name] = value;
          return { ...mapped, body };
        },
      }),
    );
    expect(titles).toEqual([
      "members that objects inherit > J5: are forwarded with a request as any that nobody knows",
    ]);
  });

  it("reads and writes the numbers of calls as JavaScript does", async () => {
    const { titles } = await faultsOf(
      withChat({
        toRequest(request, info) {
          const mapped = chat.toRequest!(request, info);
          return { ...mapped, body: rounded(mapped.body) };
        },
        fromResponse: (reply, info) => rounded(chat.fromResponse!(reply, info)),
      }),
    );
    expect(titles).toEqual([
      "integers longer than a number > are sent digit by digit in schemas of tools and arguments of calls",
      "integers longer than a number > are read digit by digit from arguments of calls",
    ]);
  });

  it("U: looks a value up in what inherits, and takes a function for a word", async () => {
    const { titles } = await faultsOf(
      withChat({
        fromResponse(reply, info) {
          const words: JsonObject = { done: "stop", full: "length" };
          const read = chat.fromResponse!(reply, info);
          return { ...read, reason: words[String(reply["ended"])] };
        },
      }),
    );
    expect(titles).toContain(
      "hostile input > U: reads any JSON in any place of a reply, or says that it is no answer",
    );
  });

  it("in-3: loses what stands deep inside of a message", async () => {
    const withoutSchema = (tools: unknown) =>
      (tools as { function: JsonObject }[] | undefined)?.map((tool) => ({
        ...tool,
        function: { ...tool.function, parameters: {} },
      }));
    const { titles, messages } = await faultsOf(
      withChat({
        toRequest(request, info) {
          const mapped = chat.toRequest!(request, info);
          const { tools } = mapped.body;
          return tools ? { ...mapped, body: { ...mapped.body, tools: withoutSchema(tools) } } : mapped;
        },
      }),
      // Recorded from what the adapter does, an exchange would hold the fault.
      { exchanges: exchanges.map(withoutParameters) },
    );
    expect(titles).toContain("a call of a tool > carries, reports or refuses every value of the request");
    expect(messages).toContain("`tools[].function.parameters.properties.to.type` is lost in silence");
  });

  it("states no fate for a field that clients send", async () => {
    const { seed: _, ...rest } = fields.chat!;
    const { titles, messages } = await faultsOf(parrot, { fields: { chat: rest } });
    expect(titles).toEqual(["fields of chat > states a fate for each field that the hub knows"]);
    expect(messages).toBe("no fate is stated for `seed`");
  });

  it("P: tells its key in an error", async () => {
    let heard = "";
    const { titles, messages } = await faultsOf({
      ...parrot,
      auth(apiKey) {
        heard = apiKey ?? heard;
        return { "x-parrot-key": heard };
      },
      fromError: () => ({ message: `Not for ${heard}.` }),
    });
    expect(titles).toContain("too many requests > reads the error");
    expect(messages).toContain("a credential stands in the error");
  });

  it("P: tells its key in a refusal, past the gateway's own masking", async () => {
    let heard = "";
    const { titles } = await faultsOf({
      ...withChat({
        toRequest(request, info) {
          if (request["n"] === 2) throw new UnsupportedField("n", `Not for ${heard}`);
          return chat.toRequest!(request, info);
        },
      }),
      auth(apiKey) {
        heard = apiKey ?? heard;
        return { "x-parrot-key": heard };
      },
    });
    expect(titles).toContain("two answers > is refused, naming n");
  });

  it("P: puts its key where a log would show it", async () => {
    let heard = "";
    const { titles } = await faultsOf({
      ...withChat({ path: () => `/talk?key=${heard}` }),
      auth(apiKey) {
        heard = apiKey ?? heard;
        return { "x-parrot-key": heard };
      },
    });
    expect(titles).toContain("a plain answer > P: puts the key into headers of authentication alone");
  });

  it("P: tells its key in an answer", async () => {
    let heard = "";
    const { messages } = await faultsOf({
      ...withChat({
        fromResponse: (reply, info) => ({ ...chat.fromResponse!(reply, info), system_fingerprint: heard }),
      }),
      auth(apiKey) {
        heard = apiKey ?? heard;
        return { "x-parrot-key": heard };
      },
    });
    expect(messages).toContain("a credential stands in the reply");
    expect(messages).toContain("a credential stands in what the client gets");
  });

  it("E1: loses what is cut by the network", async () => {
    const { titles, messages } = await faultsOf(withChat({ stream: { ...stream, format: forgetful } }));
    expect(titles).toContain(
      "a stream, a character cut in two > E1, E12: reads the same whatever byte it is cut at",
    );
    expect(messages).toContain("cut at byte 1:");
  });

  it("st-3: gives no finish reason", async () => {
    const { titles, messages } = await faultsOf(
      withChat({
        stream: {
          ...stream,
          event: (state, line, info) => stream.event(state, line, info).filter((chunk) => !isFinish(chunk)),
        },
      }),
    );
    expect(titles).toEqual(
      expect.arrayContaining([
        "a streamed call of a tool > st-3: opens with the role alone, ends with the finish alone, then usage",
        "a streamed call of a tool > is the same through a gateway, on the wire",
      ]),
    );
    expect(messages).toContain("0 finish reasons for 1 answers");
  });

  it("shares what belongs to one stream among all", async () => {
    const shared = stream.start({} as Parameters<typeof stream.start>[0]);
    const { titles } = await faultsOf(withChat({ stream: { ...stream, start: () => shared } }));
    expect(titles).toContain("a streamed call of a tool > reads the stream, the same each time");
  });

  it("E14: waits for a token although the client left", { timeout: 60_000 }, async () => {
    const { titles, messages } = await faultsOf({
      ...parrot,
      async authorize({ url }, { refused }) {
        if (refused) return undefined;
        // The signal is not passed on.
        await fetch(new URL("/oauth/token", url.origin));
        return {};
      },
    });
    expect(titles).toEqual(["a client that leaves > E14: ends the wait for a credential"]);
    expect(messages).toBe("`authorize` goes on after its signal");
  });

  it("writes to what it was given", async () => {
    const { messages } = await faultsOf(
      withChat({
        toRequest(request, info) {
          request["stream"] ??= false;
          request["n"] = 1;
          return chat.toRequest!(request, info);
        },
      }),
    );
    expect(messages).toMatch(/not extensible|read only/);
  });

  it("J: falls over JSON that it did not expect", async () => {
    const { titles } = await faultsOf(
      withChat({
        fromResponse(reply, info) {
          (reply["words"] as JsonObject)["heard"]?.toString();
          return chat.fromResponse!(reply, info);
        },
      }),
    );
    expect(titles).toEqual([
      "hostile input > U: reads any JSON in any place of a reply, or says that it is no answer",
    ]);
  });

  it("has no absolute path", async () => {
    const { messages } = await faultsOf(parrot, { models: undefined });
    expect(messages).toBe("it has one: give `models: { body, listed }`");
    const relative = await faultsOf({ ...parrot, health: { path: "perch" } });
    expect(relative.messages).toBe("the path perch does not begin with a slash");
  });
});

describe("kinds of exchanges", () => {
  it("lists those that are missing, with what would show them", async () => {
    const few = exchanges.filter(
      ({ id }) => !/^(?:vision|declined|error-rate|error-model|error-in-reply)$/.test(id),
    );
    const { titles, messages } = await faultsOf(parrot, { exchanges: few });
    expect(titles).toEqual(["recorded exchanges > are of every kind that is not waived"]);
    expect(messages.split("\n")).toEqual([
      "missing: vision (a request with an `image_url`, carried or refused)",
      "missing: errors (three errors of the backend, each of another status or code)",
      "missing: refusal (an answer that the model or a filter declined: `refusal`, or finish reason `content_filter`)",
    ]);
  });

  it("takes a reason for one that is missing", async () => {
    const few = exchanges.filter(({ id }) => id !== "vision");
    const waived = { vision: "Parrots are blind." };
    expect((await faultsOf(parrot, { exchanges: few, waived })).titles).toEqual([]);
  });

  it("takes no waiver without a reason, for what is shown, or of an unknown name", async () => {
    const few = exchanges.filter(({ id }) => id !== "vision");
    const waived = { vision: " ", plain: "Why not?", sound: "Deaf" };
    const { messages } = await faultsOf(parrot, { exchanges: few, waived });
    expect(messages.split("\n")).toEqual([
      "`vision` is waived without a reason",
      "`plain` is waived, and shown",
      expect.stringContaining("there is no kind `sound`: known are plain, stream,"),
    ]);
  });

  it("tells of an exchange that is left out and not there", async () => {
    const { messages } = await faultsOf(parrot, { leftOut: ["plane"] });
    expect(messages).toBe("`leftOut` names no exchange: plane");
  });
});

/** Reads each piece as if it were whole lines. */
const forgetful: StreamFraming = {
  contentType: "application/x-ndjson",
  create: () => ({
    push(piece, onEvent) {
      for (const line of Buffer.from(piece).toString().split("\n")) {
        try {
          onEvent(JSON.parse(line) as JsonObject);
        } catch {
          // Half a line: lost.
        }
      }
    },
    end: () => {},
  }),
};

function isFinish({ choices }: JsonObject): boolean {
  return (
    (choices as { finish_reason: unknown }[] | undefined)?.some(({ finish_reason }) => finish_reason) === true
  );
}

/** What the faulty adapter makes of its tools, as if it had been recorded from it. */
function withoutParameters(exchange: Exchange): Exchange {
  const tools = exchange.upstream?.request.body["tools"] as { function: JsonObject }[] | undefined;
  if (!tools) return exchange;
  const { request, reply } = exchange.upstream!;
  const bare = tools.map((tool) => ({ ...tool, function: { ...tool.function, parameters: {} } }));
  return {
    ...exchange,
    upstream: { request: { ...request, body: { ...request.body, tools: bare } }, reply },
  };
}

/** Read and written once more, arguments of calls as well, by what knows no long integers. */
function rounded(body: JsonObject): JsonObject {
  return JSON.parse(stringifyJson(body), (key, value: unknown) =>
    key === "arguments" ? JSON.stringify(JSON.parse(String(value))) : value,
  ) as JsonObject;
}
