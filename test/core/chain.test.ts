import {
  GatewayError,
  type AttemptScope,
  type Context,
  type Middleware,
  type Reply,
  type Target,
} from "gatewright";
import { describe, expect, it } from "vitest";
import { composeChain, type Layer } from "../../core/src/chain.ts";
import { coreOperations } from "../../core/src/operations/index.ts";
import { Exchange, type Downstream } from "../../core/src/request/exchange.ts";
import { RequestContext } from "../../core/src/request/request-context.ts";
import type { Router } from "../../core/src/router.ts";

const OK: Reply = { status: 200, headers: {}, body: "" };
const chat = coreOperations.find(({ name }) => name === "chat")!;

function createContext(): RequestContext {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const exchange = new Exchange({
    id: "request-1",
    operation: chat,
    request: {
      method: "POST",
      path: "/v1/chat/completions",
      query: "",
      headers: {},
      clientAddress: "127.0.0.1",
    },
    downstream: {} as Downstream,
    router: { resolve: (model) => [{ id: model } as Target] } as Pick<Router, "resolve"> as Router,
    log: silent,
    totalMs: 1_000,
  });
  return new RequestContext(exchange);
}

/** Names the layer on the way in and on the way out. */
function traced(name: string, trace: string[]): Layer {
  return {
    middleware: async (_ctx, next) => {
      trace.push(`>${name}`);
      const reply = await next();
      trace.push(`<${name}`);
      return reply;
    },
  };
}

const layer = (middleware: Middleware): Layer => ({ middleware });
const targets = (...ids: string[]): Target[] => ids.map((id) => ({ id }) as Target);

describe("the chain", () => {
  it("runs in the order of the list, and back in the opposite one", async () => {
    const trace: string[] = [];
    const chain = composeChain([traced("a", trace), traced("b", trace)], async () => {
      trace.push("dispatch");
      return OK;
    });
    expect(await chain(createContext())).toBe(OK);
    expect(trace).toEqual([">a", ">b", "dispatch", "<b", "<a"]);
  });

  it("without layers is the last handler", async () => {
    const last = async (): Promise<Reply> => OK;
    expect(composeChain([], last)).toBe(last);
  });

  it("passes a layer by where it does not apply", async () => {
    const trace: string[] = [];
    const skipped: Layer = { ...traced("b", trace), applies: (ctx) => ctx.operation.name === "embeddings" };
    const taken: Layer = { ...traced("c", trace), applies: (ctx) => ctx.operation.name === "chat" };
    await composeChain([traced("a", trace), skipped, taken], async () => OK)(createContext());
    expect(trace).toEqual([">a", ">c", "<c", "<a"]);
  });

  it("a layer may answer itself, or throw: nothing behind it runs", async () => {
    let dispatched = 0;
    const last = async (): Promise<Reply> => {
      dispatched++;
      return OK;
    };
    const own: Reply = { status: 418, headers: {}, body: null };
    expect(await composeChain([layer(async () => own)], last)(createContext())).toBe(own);
    const refusal = new GatewayError("overloaded");
    const refuse = layer(() => {
      throw refusal;
    });
    const outer = layer((_ctx, next) => next());
    await expect(composeChain([outer, refuse], last)(createContext())).rejects.toBe(refusal);
    expect(dispatched).toBe(0);
  });

  it("layers behind a retrying one run for each attempt, those before it once", async () => {
    const trace: string[] = [];
    const retry = layer(async (_ctx, next) => {
      await next();
      await next();
      return next();
    });
    await composeChain(
      [traced("once", trace), retry, traced("each", trace)],
      async () => OK,
    )(createContext());
    expect(trace.filter((step) => step === ">once")).toHaveLength(1);
    expect(trace.filter((step) => step === ">each")).toHaveLength(3);
  });

  it("hands down the same context first, and fresh ones made from what there was then", async () => {
    const seen: Context[] = [];
    const filter = layer((ctx, next) => {
      ctx.candidates = ctx.candidates.slice(1);
      ctx.target = ctx.candidates[0];
      (ctx.upstreamHeaders ??= {})["x-attempt"] = String(ctx.candidates.length);
      return next();
    });
    const twice = layer(async (ctx, next) => {
      await next();
      expect(seen[0]).toBe(ctx);
      return next();
    });
    const ctx = createContext();
    ctx.candidates = targets("a", "b", "c");
    const chain = composeChain([twice, filter], async (last) => {
      seen.push(last);
      return OK;
    });
    await chain(ctx);
    const [first, second] = seen;
    expect(second).not.toBe(first);
    for (const attempt of seen) {
      expect(attempt.candidates.map(({ id }) => id)).toEqual(["b", "c"]);
      expect(attempt.upstreamHeaders).toEqual({ "x-attempt": "2" });
    }
    expect(second!.id).toBe("request-1");
  });

  it("a scope changes one attempt, and nothing of it reaches the next or the layer itself", async () => {
    const seen: [candidates: string[], target: string | undefined, model: string][] = [];
    const scopes: (AttemptScope | undefined)[] = [
      { candidates: targets("z"), target: targets("z")[0]! },
      { model: "other" },
      undefined,
    ];
    const scoped = layer(async (ctx, next) => {
      for (const scope of scopes) await next(scope);
      expect(ctx.candidates.map(({ id }) => id)).toEqual(["a"]);
      return OK;
    });
    const ctx = createContext();
    ctx.candidates = targets("a");
    await composeChain([scoped], async (last) => {
      seen.push([last.candidates.map(({ id }) => id), last.target?.id, last.model]);
      return OK;
    })(ctx);
    expect(seen).toEqual([
      [["z"], "z", ""],
      [["other"], undefined, "other"],
      [["a"], undefined, ""],
    ]);
  });

  it("two attempts may run at once, each with its own choice", async () => {
    const chosen: string[] = [];
    const hedge = layer(async (_ctx, next) => {
      const replies = await Promise.all(["a", "b"].map((id) => next({ target: targets(id)[0]! })));
      return replies[0]!;
    });
    await composeChain([hedge], async (ctx) => {
      await Promise.resolve();
      chosen.push(ctx.target!.id);
      return OK;
    })(createContext());
    expect(chosen).toEqual(["a", "b"]);
  });

  it("asks the principal before another model's targets are taken", async () => {
    const fallback = layer((_ctx, next) => next({ model: "other" }));
    const ctx = createContext();
    ctx.principal = { id: "k", allowsModel: (model) => model !== "other" };
    await expect(composeChain([fallback], async () => OK)(ctx)).rejects.toMatchObject({
      code: "model_not_allowed",
    });
  });

  it("an attempt's signal ends that attempt alone", async () => {
    const seen: Context[] = [];
    const controller = new AbortController();
    const scoped = layer(async (_ctx, next) => {
      await next({ signal: controller.signal });
      return next();
    });
    await composeChain([scoped], async (ctx) => {
      seen.push(ctx);
      return OK;
    })(createContext());
    controller.abort();
    expect(seen.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(seen[0]!.signal.aborted).toBe(true);
  });
});
