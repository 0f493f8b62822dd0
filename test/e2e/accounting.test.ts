import { retry } from "@gatewright/retry";
import { defineGatewayPlugin, discardReply, isEventStream } from "gatewright";
import type { Attempt, Context, Middleware, Next, Plugin, Target } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import {
  chat,
  chatBody,
  chatStream,
  errorEvent,
  MODEL,
  openaiAt,
  post,
  simulated,
  stageBefore,
  startStage,
} from "./_stage.ts";

/** A plugin that is its middleware. */
function inline(name: string, middleware: Middleware): Plugin {
  return defineGatewayPlugin({ name, options: v.strictObject({}), setup: () => ({ middleware }) })();
}

describe("the end of a request", () => {
  it("st-9: a whole reply: complete, with usage, times, bytes and its attempt", async () => {
    const stage = await stageBefore(await simulated({ tokens: 5 }));
    const response = await chat(stage);
    const text = await response.text();
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "complete", status: 200, usage: { outputTokens: 5 } });
    expect(end.error).toBeUndefined();
    expect(end.bytesIn).toBe(Buffer.byteLength(JSON.stringify(chatBody())));
    expect(end.bytesOut).toBe(Buffer.byteLength(text));
    expect(end.timeToFirstTokenMs).toBeLessThanOrEqual(end.durationMs);
    expect(end.target?.id).toBe(`main/${MODEL}`);
    expect(end.attempts).toHaveLength(1);
    const attempt = end.attempts[0]!;
    expect(attempt).toMatchObject({ number: 1, outcome: "complete", status: 200, usage: end.usage });
    expect(attempt.timeToFirstByteMs).toBeLessThanOrEqual(attempt.timeToFirstTokenMs!);
    expect(attempt.timeToFirstTokenMs).toBeLessThanOrEqual(attempt.durationMs!);
    expect(stage.inFlight()).toBe(0);
  });

  it("st-8 st-9: a stream: settled after its last byte, not at its headers", async () => {
    const backend = await simulated({ tokens: 10, tokenMs: 20 });
    const stage = await stageBefore(backend);
    const response = await chat(stage, { stream: true });
    expect(stage.ends).toHaveLength(0);
    expect(stage.inFlight()).toBe(1);
    expect(stage.contexts[0]!.attempts[0]!.outcome).toBeUndefined();
    const text = await response.text();
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "complete", status: 200, usage: { outputTokens: 10 } });
    expect(end.bytesOut).toBe(Buffer.byteLength(text));
    expect(end.timeToFirstTokenMs).toBeLessThan(end.durationMs);
    expect(stage.inFlight()).toBe(0);
  });

  it("st-9: a broken stream: truncated, its error event counted in the bytes", async () => {
    const stage = await stageBefore(await simulated({ faults: [{ kind: "cut", afterEvents: 5 }] }));
    const text = await chatStream(stage);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "truncated", status: 200, error: { code: "upstream_interrupted" } });
    expect(end.bytesOut).toBe(Buffer.byteLength(text));
    expect(stage.inFlight()).toBe(0);
  });

  it("st-9: a failed backend: upstream_error, with the status that the client got", async () => {
    const stage = await stageBefore(await simulated({ faults: [{ kind: "status", status: 500 }] }));
    const text = await (await chat(stage)).text();
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "upstream_error", status: 502, bytesOut: Buffer.byteLength(text) });
    expect(end.attempts[0]).toMatchObject({ outcome: "upstream_error", status: 500 });
    expect(end.timeToFirstTokenMs).toBeUndefined();
    expect(stage.inFlight()).toBe(0);
  });

  it.each([
    ["broken JSON", "{", 400],
    ["an unknown model", JSON.stringify(chatBody({ model: "nobody" })), 404],
    ["a missing field", JSON.stringify({ model: MODEL }), 400],
  ])("st-9: %s: rejected, without an attempt", async (_, body, status) => {
    const stage = await stageBefore(await simulated());
    const response = await fetch(`${stage.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    expect(response.status).toBe(status);
    expect(await stage.ended()).toMatchObject({ outcome: "rejected", status, attempts: [] });
  });

  it("st-9: a fault of a plugin: rejected with 500, which tells the client nothing", async () => {
    const failing = inline("failing", () => Promise.reject(new Error("secret detail")));
    const stage = await stageBefore(await simulated(), { plugins: [failing] });
    const response = await chat(stage);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret detail");
    expect(await stage.ended()).toMatchObject({ outcome: "rejected", status: 500 });
  });

  it("is told once for each of many requests at a time", async () => {
    const backend = await simulated({
      faults: (_, n) =>
        n % 3 === 0
          ? { kind: "cut", afterEvents: 4 }
          : n % 3 === 1
            ? { kind: "status", status: 500 }
            : undefined,
    });
    const stage = await stageBefore(backend);
    await Promise.all(Array.from({ length: 30 }, () => chatStream(stage)));
    await stage.ended(30);
    expect(stage.ends).toHaveLength(30);
    expect(stage.ends.map(({ outcome }) => outcome).sort()).toEqual([
      ...Array<string>(10).fill("complete"),
      ...Array<string>(10).fill("truncated"),
      ...Array<string>(10).fill("upstream_error"),
    ]);
    expect(stage.inFlight()).toBe(0);
  });

  it("is told to a plugin that asks after it", async () => {
    const stage = await stageBefore(await simulated());
    await (await chat(stage)).text();
    await stage.ended();
    const late: unknown[] = [];
    stage.contexts[0]!.onFinished((end) => late.push(end));
    expect(late).toEqual([stage.ends[0]]);
    expect(await stage.contexts[0]!.finished).toBe(stage.ends[0]);
  });

  it("is told to all plugins though one of them fails", async () => {
    const failing = inline("failing", (ctx, next) => {
      ctx.onFinished(() => {
        throw new Error("no");
      });
      return next();
    });
    const stage = await stageBefore(await simulated(), { plugins: [failing] });
    expect((await chat(stage)).status).toBe(200);
    expect((await stage.ended()).outcome).toBe("complete");
    expect(stage.lines.join("")).toContain("a plugin failed after the request was over");
  });

  it("names all attempts of a retried request, and the target that answered", async () => {
    const bad = await simulated({ faults: () => ({ kind: "status", status: 503 }) });
    const stage = await startStage({
      backends: { bad: openaiAt(bad), good: openaiAt(await simulated({ tokens: 3 })) },
      plugins: [retry()],
    });
    await (await chat(stage)).text();
    const end = await stage.ended();
    expect(end.attempts.map(({ number, outcome, target }) => [number, outcome, target.backend.name])).toEqual(
      [
        [1, "upstream_error", "bad"],
        [2, "complete", "good"],
      ],
    );
    expect(end.target?.backend.name).toBe("good");
    expect(end.usage?.outputTokens).toBe(3);
  });
});

describe("observers of a stream", () => {
  it("see each event once and its end, while its bytes pass untouched", async () => {
    const seen: string[] = [];
    const watching = inline("watching", async (_ctx, next) => {
      const reply = await next();
      if (isEventStream(reply.body))
        reply.body.observe({ event: ({ data }) => seen.push(data), end: () => seen.push("end") });
      return reply;
    });
    const backend = await simulated();
    const plain = await stageBefore(backend);
    const watched = await stageBefore(backend, { plugins: [watching] });
    const shape = (stream: string) => stream.replaceAll(/"id":"[^"]+","created":\d+/g, "");
    expect(shape(await chatStream(watched))).toBe(shape(await chatStream(plain)));
    expect(seen.at(-1)).toBe("end");
    expect(seen.at(-2)).toBe("[DONE]");
    // A role, 24 tokens, a finish, the terminator, the end.
    expect(seen).toHaveLength(28);
  });
});

describe("a plugin that fails on a stream", () => {
  /** At the first event, which is held when the reply starts; on the way; at the terminator; at the end. */
  it.each([1, 8, 27, 28])(
    "at step %i: an error event, no detail, nobody blamed, the call closed",
    async (step) => {
      let steps = 0;
      const fault = (): void => {
        if (++steps === step) throw new Error("secret detail");
      };
      const failing = inline("failing", async (_ctx, next) => {
        const reply = await next();
        if (isEventStream(reply.body)) reply.body.observe({ event: fault, end: fault });
        return reply;
      });
      const backend = await simulated({ tokenMs: 3 });
      const stage = await stageBefore(backend, { plugins: [failing] });
      const stream = await chatStream(stage);
      expect(errorEvent(stream)).toMatchObject({ type: "internal_error", code: "internal_error" });
      expect(stream).not.toContain("secret detail");
      const end = await stage.ended();
      expect(end).toMatchObject({ status: 200, error: { code: "internal_error" } });
      expect(end.attempts[0]!.outcome).toBe(step === 28 ? "complete" : "cancelled");
      expect(end.attempts[0]!.error).toBeUndefined();
      await waitFor("the end of the call", () => backend.requests[0]!.closedAt, 1_000);
      expect(stage.lines.join("")).toContain("secret detail");
      expect(stage.inFlight()).toBe(0);
    },
  );
});

it.each([1, 8])("an observer that is `async` fails on event %i as any other does", async (step) => {
  let steps = 0;
  const failing = inline("failing", async (_ctx, next) => {
    const reply = await next();
    if (isEventStream(reply.body))
      // As an `async` function does: nobody has to await what is said to give nothing.
      reply.body.observe({
        event: (): unknown =>
          ++steps === step ? Promise.reject(new Error("secret detail")) : Promise.resolve(),
      });
    return reply;
  });
  const stage = await stageBefore(await simulated({ tokenMs: 3 }), { plugins: [failing] });
  const stream = await chatStream(stage);
  expect(errorEvent(stream)).toMatchObject({ code: "internal_error" });
  expect(stream).not.toContain("[DONE]");
  expect((await stage.ended()).attempts[0]!.outcome).toBe("cancelled");
  expect(stage.inFlight()).toBe(0);
});

it("tells the end of an attempt to who asks after it, as to who asks before", async () => {
  const told: [boolean, string | undefined][] = [];
  const asking = inline("asking", async (ctx, next) => {
    const reply = await next();
    reply.attempt!.onSettled(({ outcome }) => told.push([ctx.stream, outcome]));
    return reply;
  });
  const stage = await stageBefore(await simulated(), { plugins: [asking] });
  // A whole reply is over by then, a stream is not.
  for (const stream of [false, true]) await (await chat(stage, { stream })).text();
  await stage.ended(2);
  expect(told).toEqual([
    [false, "complete"],
    [true, "complete"],
  ]);
});

describe("the state of an attempt", () => {
  interface View {
    candidates: string[];
    target: string | undefined;
    headers: Record<string, string> | undefined;
    seed: unknown;
    model: string;
  }
  const view = (ctx: Context): View => ({
    candidates: ctx.candidates.map(({ id }) => id),
    target: ctx.target?.id,
    headers: ctx.upstreamHeaders && { ...ctx.upstreamHeaders },
    seed: ctx.body.json["seed"],
    model: ctx.model,
  });

  it("never leaks into the next one, nor into the one after it", async () => {
    const views: View[] = [];
    const thrice = inline("thrice", async (_ctx, next) => {
      await next().catch(() => undefined);
      await next().then(discardReply);
      return next();
    });
    const marking = inline("marking", (ctx, next) => {
      views.push(view(ctx));
      // In place: the record itself must be each attempt's own.
      ctx.upstreamHeaders![`x-attempt-${views.length}`] = "1";
      ctx.body = ctx.body.with({ seed: views.length });
      ctx.candidates = ctx.candidates.slice(0, 1);
      ctx.target = ctx.candidates[0];
      return next();
    });
    const first = await simulated({ faults: [{ kind: "status", status: 500 }] });
    const second = await simulated();
    const before = inline("before", (ctx, next) => {
      ctx.upstreamHeaders = { "x-before": "1" };
      return next();
    });
    const stage = await startStage({
      backends: { first: openaiAt(first), second: openaiAt(second) },
      plugins: [before, thrice, marking],
    });
    expect((await chat(stage)).status).toBe(200);
    const untouched: View = {
      candidates: [`first/${MODEL}`, `second/${MODEL}`],
      target: undefined,
      headers: { "x-before": "1" },
      seed: undefined,
      model: MODEL,
    };
    expect(views).toEqual([untouched, untouched, untouched]);
    expect(first.requests.map(({ json }) => (json as { seed: number }).seed)).toEqual([1, 2, 3]);
    const marks = first.requests.map(({ headers }) =>
      Object.keys(headers).filter((name) => /^x-(before|attempt)/.test(name)),
    );
    expect(marks.map((names) => names.sort())).toEqual([
      ["x-attempt-1", "x-before"],
      ["x-attempt-2", "x-before"],
      ["x-attempt-3", "x-before"],
    ]);
  });

  it("is what its scope says", async () => {
    const views: View[] = [];
    const watching = inline("watching", (ctx, next) => {
      views.push(view(ctx));
      return next();
    });
    const scoping = inline("scoping", async (ctx, next) => {
      const last = ctx.candidates.at(-1)!;
      await next({ target: last, candidates: [last] }).then(discardReply);
      await next({ model: "other-model", body: ctx.body.with({ seed: 7 }) }).then(discardReply);
      return next();
    });
    const backend = await simulated({ models: [MODEL, "other-model"] });
    const stage = await startStage({
      backends: {
        first: openaiAt(backend, { models: [MODEL, "other-model"] }),
        second: openaiAt(backend),
      },
      plugins: [scoping, watching],
    });
    const response = await chat(stage);
    expect(((await response.json()) as { model: string }).model).toBe(MODEL);
    const both = [`first/${MODEL}`, `second/${MODEL}`];
    expect(views).toMatchObject([
      { candidates: [both[1]], target: both[1], model: MODEL, seed: undefined },
      { candidates: ["first/other-model"], target: undefined, model: "other-model", seed: 7 },
      { candidates: both, target: undefined, model: MODEL, seed: undefined },
    ]);
    expect(backend.requests.map(({ json }) => (json as { model: string }).model)).toEqual([
      MODEL,
      "other-model",
      MODEL,
    ]);
  });

  /** Asks two backends at once, and gives the slower one up. */
  const hedging = (answers: Attempt[]) =>
    inline("hedging", async (ctx, next) => {
      const race = (target: Target, controller: AbortController) =>
        next({ target, candidates: [target], signal: controller.signal });
      const controllers = ctx.candidates.map(() => new AbortController());
      const replies = ctx.candidates.map((target, index) => race(target, controllers[index]!));
      const winner = await Promise.any(replies.map(async (reply, index) => (await reply, index)));
      for (const [index, controller] of controllers.entries()) if (index !== winner) controller.abort();
      await Promise.allSettled(replies);
      answers.push(...ctx.attempts);
      return replies[winner]!;
    });

  it.each([false, true])(
    "two at once: the one given up by its signal is closed and blamed on nobody (stream: %s)",
    async (stream) => {
      const slow = await simulated({ faults: [{ kind: "no_answer" }] });
      const quick = await simulated({ tokens: 4 });
      const attempts: Attempt[] = [];
      const stage = await startStage({
        backends: { slow: openaiAt(slow), quick: openaiAt(quick) },
        plugins: [hedging(attempts)],
      });
      const response = await chat(stage, { stream });
      expect(response.status).toBe(200);
      expect(response.headers.get("x-gatewright-backend")).toBe("quick");
      await response.text();
      await waitFor("the end of the lost call", () => slow.requests[0]!.closedAt, 1_000);
      expect(slow.requests[0]!.aborted).toBe(true);
      const end = await stage.ended();
      expect(end).toMatchObject({
        outcome: "complete",
        target: { backend: { name: "quick" } },
        usage: { outputTokens: 4 },
      });
      expect(end.attempts.map(({ outcome, target }) => [target.backend.name, outcome])).toEqual([
        ["slow", "cancelled"],
        ["quick", "complete"],
      ]);
      expect(attempts[0]!.error?.upstream).toBeUndefined();
      expect(stage.inFlight()).toBe(0);
    },
  );

  it("two at once: a client that leaves ends both", async () => {
    const backends = await Promise.all([simulated(), simulated()]);
    for (const backend of backends) backend.faults = [{ kind: "no_answer" }];
    const stage = await startStage({
      backends: { a: openaiAt(backends[0]), b: openaiAt(backends[1]) },
      plugins: [hedging([])],
    });
    const leaving = new AbortController();
    const answer = chat(stage, {}, { signal: leaving.signal });
    await waitFor("both calls", () => backends.every(({ requests }) => requests[0]?.bodySha256));
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await waitFor(
      "the end of both calls",
      () => backends.every(({ requests }) => requests[0]!.closedAt),
      1_000,
    );
    const end = await stage.ended();
    expect(end.outcome).toBe("client_abort");
    expect(end.attempts.map(({ outcome }) => outcome)).toEqual(["client_abort", "client_abort"]);
    expect(stage.inFlight()).toBe(0);
  });

  it("an attempt whose signal has aborted already never starts", async () => {
    const backend = await simulated();
    const given: unknown[] = [];
    const aborted = inline("aborted", async (_ctx, next: Next) => {
      const controller = new AbortController();
      controller.abort();
      await next({ signal: controller.signal }).catch((error: unknown) => given.push(error));
      return next();
    });
    const stage = await stageBefore(backend, { plugins: [aborted] });
    expect((await chat(stage)).status).toBe(200);
    expect(given).toHaveLength(1);
    expect(backend.requests).toHaveLength(1);
  });

  it("a reply that is not sent is given up, and its call closed", async () => {
    const backend = await simulated({ tokens: 1_000, tokenMs: 10 });
    const discarding = inline("discarding", async (_ctx, next) => {
      discardReply(await next());
      return { status: 200, headers: { "content-type": "application/json" }, body: "{}" };
    });
    const stage = await stageBefore(backend, { plugins: [discarding] });
    const response = await post(`${stage.url}/v1/chat/completions`, chatBody({ stream: true }));
    expect(await response.json()).toEqual({});
    await waitFor("the end of the call", () => backend.requests[0]!.closedAt, 1_000);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "complete", attempts: [{ outcome: "cancelled" }] });
    expect(stage.inFlight()).toBe(0);
  });
});
