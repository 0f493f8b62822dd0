import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { balancer } from "@gatewright/balancer";
import { describe, expect, it, onTestFinished } from "vitest";
import { leastBusy } from "../../plugins/balancer/src/load-aware.ts";
import { LoadReports, readFigures } from "../../plugins/balancer/src/load-figures.ts";
import type { LoadFigures } from "../../plugins/balancer/src/load-figures.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chat, MODEL, startStage } from "../e2e/_stage.ts";
import { createHost, createTarget, findFaults } from "./_context.ts";

const figures = (fields: Partial<LoadFigures> = {}): LoadFigures => ({
  activeRequests: 0,
  capability: 0,
  ...fields,
});

/** Names of those that are left, of candidates with these figures. */
function busy(
  table: Record<string, LoadFigures | undefined>,
  inFlight: Record<string, number> = {},
): string[] {
  const targets = Object.keys(table).map((name) =>
    Object.assign(createTarget(name), { inFlight: inFlight[name] ?? 0 }),
  );
  return leastBusy(targets, ({ backend }) => table[backend.name]).map(({ backend }) => backend.name);
}

describe("load-aware (ba-11)", () => {
  it("skips a GPU at 81 % while another is free, and takes one at 80 %", () => {
    expect(busy({ a: figures({ gpu: 81 }), b: figures({ gpu: 80, activeRequests: 9 }) })).toEqual(["b"]);
  });

  it("skips GPU memory at 91 % while another is free, and takes one at 90 %", () => {
    expect(busy({ a: figures({ gpuMemory: 91 }), b: figures({ gpuMemory: 90, activeRequests: 9 }) })).toEqual(
      ["b"],
    );
  });

  it("compares those that are not free where none is", () => {
    expect(
      busy({ a: figures({ gpu: 99, activeRequests: 2 }), b: figures({ gpu: 85, activeRequests: 1 }) }),
    ).toEqual(["b"]);
  });

  it("takes the fewest requests, then the higher score, then all that are equal", () => {
    expect(
      busy({ a: figures({ activeRequests: 2, capability: 9 }), b: figures({ activeRequests: 1 }) }),
    ).toEqual(["b"]);
    expect(busy({ a: figures({ capability: 8 }), b: figures({ capability: 9 }) })).toEqual(["b"]);
    expect(busy({ a: figures(), b: figures(), c: figures({ activeRequests: 1 }) })).toEqual(["a", "b"]);
  });

  it("counts requests that were sent since the last report", () => {
    expect(busy({ a: figures(), b: figures({ activeRequests: 1 }) }, { a: 2 })).toEqual(["b"]);
  });

  it("leaves all to the rotation where every CPU is above 80 %, or one tells nothing", () => {
    const loaded = { a: figures({ cpu: 81 }), b: figures({ cpu: 99, activeRequests: 5 }) };
    expect(busy(loaded)).toEqual(["a", "b"]);
    expect(busy({ ...loaded, c: figures({ cpu: 80, activeRequests: 7 }) })).toEqual(["a"]);
    expect(busy({ a: figures(), b: undefined })).toEqual(["a", "b"]);
  });

  it("reads xLLM's health and a node's heartbeat", () => {
    const xllm = {
      gpu: { device_count: 1, total_memory_bytes: 1_000, used_memory_bytes: 250, capability_score: 7 },
      load: { active_requests: 3 },
    };
    expect(readFigures(JSON.stringify(xllm))).toEqual({ gpuMemory: 25, activeRequests: 3, capability: 7 });
    const heartbeat = {
      cpu_usage: 1,
      gpu_usage: 2,
      gpu_memory_usage: 3,
      gpu_capability_score: 4,
      active_requests: 5,
    };
    expect(readFigures(JSON.stringify(heartbeat))).toEqual({
      cpu: 1,
      gpu: 2,
      gpuMemory: 3,
      capability: 4,
      activeRequests: 5,
    });
  });

  it.each(["", "[]", "null", "{}", '{"active_requests":"1"}', "<html>"])("reads nothing from %j", (text) => {
    expect(readFigures(text)).toBeUndefined();
  });

  interface Node {
    readonly url: string;
    /** What it tells; undefined: that it fails. */
    health: object | undefined;
    /** Credentials with which it was asked how it is. */
    readonly asked: (string | undefined)[];
    chats: number;
  }

  /** An xLLM server: it tells how it is, and says the same to every chat. */
  async function startNode(health?: object): Promise<Node> {
    const node = { url: "", health, asked: [] as (string | undefined)[], chats: 0 };
    const message = { role: "assistant", content: "a" };
    const answer = JSON.stringify({ model: MODEL, choices: [{ index: 0, message, finish_reason: "stop" }] });
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader("content-type", "application/json");
      if (request.url === "/api/health") {
        node.asked.push(request.headers.authorization);
        response.statusCode = node.health ? 200 : 500;
        response.end(JSON.stringify(node.health ?? {}));
      } else {
        node.chats++;
        response.end(answer);
      }
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    node.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return node;
  }

  const backendAt = ({ url }: Node): Record<string, unknown> => ({
    adapter: "xllm",
    baseURL: `${url}/v1`,
    apiKey: "node-key",
    models: [MODEL],
  });

  it("asks xLLM backends at the root of their server, with their key, and sends requests where there is room", async () => {
    const crowded = await startNode({ load: { active_requests: 50 } });
    const idle = await startNode({ load: { active_requests: 0 } });
    const stage = await startStage({
      backends: { crowded: backendAt(crowded), idle: backendAt(idle) },
      plugins: [balancer({ strategy: "load-aware", intervalMs: 10 })],
    });
    await waitFor("two questions each", () => crowded.asked.length > 1 && idle.asked.length > 1);
    for (let count = 0; count < 4; count++) await (await chat(stage)).text();
    expect([crowded.chats, idle.chats]).toEqual([0, 4]);
    expect(new Set(crowded.asked)).toEqual(new Set(["Bearer node-key"]));

    crowded.health = { load: { active_requests: 0 } };
    idle.health = { load: { active_requests: 9 } };
    await waitFor("the change", async () => {
      await (await chat(stage)).text();
      return crowded.chats > 0;
    });
  });

  it("gives candidates turns while one of them fails to tell", async () => {
    const [silent, idle] = [await startNode(), await startNode({ load: { active_requests: 0 } })];
    const stage = await startStage({
      backends: { silent: backendAt(silent), idle: backendAt(idle) },
      plugins: [balancer({ strategy: "load-aware", intervalMs: 10 })],
    });
    await waitFor("two questions each", () => silent.asked.length > 1 && idle.asked.length > 1);
    for (let count = 0; count < 4; count++) await (await chat(stage)).text();
    expect([silent.chats, idle.chats]).toEqual([2, 2]);
  });

  it("takes figures of more than 60 s for none", () => {
    const host = createHost();
    const reports = new Map([["a", { figures: figures(), atMs: 0 }]]);
    const gateway = Object.assign(host, { carry: () => reports as never });
    const options = {
      strategy: "load-aware",
      path: "/",
      intervalMs: 1,
      timeoutMs: 1,
      priorities: {},
    } as const;
    const known = new LoadReports(options, gateway);
    const { backend } = createTarget("a");
    host.nowMs = 60_000;
    expect(known.of(backend)).toBeDefined();
    host.nowMs = 60_001;
    expect(known.of(backend)).toBeUndefined();
    known.close();
  });

  it("refuses names of backends that do not exist, and options of other strategies", async () => {
    await expect(
      startStage({
        backends: { a: { adapter: "xllm", baseURL: "http://127.0.0.1:9/v1", models: [MODEL] } },
        plugins: [balancer({ strategy: "load-aware", backends: ["nosuch"] })],
      }),
    ).rejects.toThrow(/balancer\.backends\[0\] must be the name of a backend, got \\"nosuch\\"/);
    expect(
      findFaults(balancer({ strategy: "round-robin", intervalMs: 5 } as never)).map(({ path }) => path),
    ).toEqual(["intervalMs"]);
  });
});
