import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../core/src/errors.ts";
import { chat } from "../../../core/src/operations/chat.ts";
import type { BodySink, BodyStream } from "../../../core/src/reply.ts";
import { ByteRelay } from "../../../core/src/stream/byte-relay.ts";
import { EventRelay } from "../../../core/src/stream/event-relay.ts";
import { toStreamError } from "../../../core/src/stream/stream-error.ts";

/** Notes what is told, in order. */
class Ends {
  readonly told: string[] = [];
  readonly owner = {
    onCommit: (): void => {},
    onUsage: (): void => {},
    onCancel: (): void => void this.told.push("cancel"),
    onPressure: (pause: boolean): void => void this.told.push(pause ? "pause" : "go on"),
  };

  sink(onData: (text: string) => void = () => {}): BodySink {
    return {
      data: (chunk) => {
        const text = Buffer.from(chunk).toString();
        this.told.push(`data ${text}`);
        onData(text);
      },
      end: () => this.told.push("end"),
      fail: (error) => this.told.push(`fail ${error.code}`),
    };
  }
}

function chatRelay({ owner }: Ends): EventRelay {
  return new EventRelay({
    rules: chat.stream!,
    owner: { ...owner, toError: toStreamError },
    answers: 1,
    model: "m",
    hideUsage: false,
  });
}

const event = (content: string): string =>
  `data: {"choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`;
const error = new GatewayError("provider_error");
/** Events leave in a microtask behind the one in which they came. */
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("events that were taken and have not left yet", () => {
  it("leave together, in order", async () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink());
    relay.push(Buffer.from(event("b")));
    relay.push(Buffer.from(event("c")));
    await soon();
    expect(ends.told).toEqual([`data ${event("a")}`, `data ${event("b")}${event("c")}`]);
  });

  it("are not told to a consumer that gave the stream up in between", async () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink());
    relay.push(Buffer.from(event("b")));
    relay.stream.cancel();
    await soon();
    relay.fail(error);
    expect(ends.told).toEqual([`data ${event("a")}`, "cancel"]);
  });

  it("come before the error that broke the stream, and nothing comes after it", async () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink());
    relay.push(Buffer.from(event("b")));
    relay.fail(error);
    await soon();
    expect(ends.told).toEqual([`data ${event("a")}`, `data ${event("b")}`, "fail provider_error"]);
  });

  it("go out also while the consumer asks for a pause: they were taken", async () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink());
    relay.push(Buffer.from(event("b")));
    relay.stream.pause();
    await soon();
    expect(ends.told).toEqual([`data ${event("a")}`, "pause", `data ${event("b")}`]);
  });
});

describe("a consumer that throws", () => {
  const failing = (text: string): void => {
    if (text.includes('"b"') || text === "b") throw new Error("broken consumer");
  };

  it("of events: is told so itself, once, and the feeder is sent away", async () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink(failing));
    relay.push(Buffer.from(event("b")));
    await soon();
    relay.push(Buffer.from(event("c")));
    relay.fail(error);
    await soon();
    expect(ends.told).toEqual([`data ${event("a")}`, `data ${event("b")}`, "cancel", "fail internal_error"]);
  });

  it("of events: also when it breaks on the last of them", () => {
    const ends = new Ends();
    const relay = chatRelay(ends);
    relay.push(Buffer.from(event("a")));
    relay.stream.start(ends.sink(failing));
    relay.push(Buffer.from(event("b") + "data: [DONE]\n\n"));
    relay.end();
    expect(ends.told.slice(2)).toEqual(["cancel", "fail internal_error"]);
  });

  it("of bytes: the same", () => {
    const ends = new Ends();
    const relay = new ByteRelay(ends.owner);
    relay.start(ends.sink(failing));
    for (const text of ["a", "b", "c"]) relay.push(Buffer.from(text));
    relay.end();
    expect(ends.told).toEqual(["data a", "data b", "cancel", "fail internal_error"]);
  });

  it("of bytes: that were held until its start", () => {
    const ends = new Ends();
    const relay = new ByteRelay(ends.owner);
    for (const text of ["a", "b", "c"]) relay.push(Buffer.from(text));
    relay.start(ends.sink(failing));
    expect(ends.told).toEqual(["data a", "data b", "cancel", "fail internal_error"]);
  });
});

describe("a consumer that gives up while it is given what was held", () => {
  it.each([
    ["bytes", (ends: Ends) => new ByteRelay(ends.owner)],
    ["events", (ends: Ends) => chatRelay(ends)],
  ])("of %s: hears no more of it", async (_, create) => {
    const ends = new Ends();
    const relay = create(ends);
    const stream: BodyStream = relay instanceof ByteRelay ? relay : relay.stream;
    for (const text of ["a", "b"]) relay.push(Buffer.from(event(text)));
    let count = 0;
    stream.start(
      ends.sink(() => {
        count++;
        stream.cancel();
      }),
    );
    relay.push(Buffer.from(event("c")));
    await soon();
    expect(count).toBe(1);
    expect(ends.told.at(-1)).toBe("cancel");
  });
});
