import { describe, expect, it } from "vitest";
import { GatewayError } from "gatewright";
import type { Outcome } from "gatewright";
import { coreOperations } from "../../../core/src/operations/index.ts";
import { Exchange } from "../../../core/src/request/exchange.ts";

const unused = (): never => {
  throw new Error("not asked for here");
};

function newExchange(): Exchange {
  return new Exchange({
    id: "req-1",
    operation: coreOperations[0]!,
    request: { method: "POST", path: "/", query: "", headers: {}, clientAddress: "203.0.113.1" },
    downstream: { readAll: unused, stream: unused, expire: unused, onAbort() {} },
    router: { operations: new Map(), targets: [], models: [], resolve: unused } as never,
    log: { debug: unused, info: unused, warn: unused, error: unused },
    totalMs: 0,
  });
}

describe("the end of a request", () => {
  it("is told once, and what comes later changes nothing, whoever asks and when", async () => {
    const exchange = newExchange();
    const told: Outcome[] = [];
    exchange.onFinished(({ outcome }) => told.push(outcome));
    const early = exchange.finished;
    exchange.finish("complete", 200);
    exchange.finish("client_abort", 499, new GatewayError("client_closed_request"));
    exchange.abort(new GatewayError("timeout"));
    exchange.onFinished(({ outcome }) => told.push(outcome));
    expect(told).toEqual(["complete", "complete"]);
    expect(await exchange.finished).toBe(await early);
    expect(await early).toMatchObject({ outcome: "complete", status: 200, error: undefined });
    expect(exchange.signal.aborted).toBe(false);
  });

  it("is that of the first abort: later reasons do not replace it", async () => {
    const exchange = newExchange();
    exchange.abort(new GatewayError("client_closed_request"));
    exchange.terminate(new GatewayError("timeout"));
    expect(exchange.signal.reason).toMatchObject({ code: "client_closed_request" });
    expect(await exchange.finished).toMatchObject({ outcome: "client_abort", status: 499 });
  });
});
