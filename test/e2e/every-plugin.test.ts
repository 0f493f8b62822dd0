import { readdirSync } from "node:fs";
import fc from "fast-check";
import type { Plugin } from "gatewright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { ROOT } from "../_support/program.ts";
import { sampleRequests, sendSample, type SampleRequest } from "./_requests.ts";

const MODEL = "every-model";
const KEY = "sk-every-plugin-0123456789abcdef";

/** Options with which each plugin lets an ordinary request pass. Every folder of `plugins/` needs an entry. */
const OPTIONS: Record<string, unknown> = {
  "api-keys": { keys: [{ id: "tester", key: KEY }] },
  balancer: {},
  "anthropic-api": {},
  "gemini-api": {},
  // Keeps nothing, so that the plugins after it run each time.
  cache: { maxBytes: 1 },
  "idempotency-key": {},
  "responses-store": {},
  retry: {},
  fallback: { models: { "*": [MODEL] }, cache: {} },
  hedge: { afterMs: 60_000 },
  // Copies would run the plugins after it when the request is over.
  mirror: { to: { model: MODEL }, share: 0 },
  "stream-recovery": { strategy: "continue" },
  timeout: { totalMs: 60_000, idleMs: 60_000 },
  concurrency: {},
  "rate-limit": { rate: 1_000 },
  "circuit-breaker": {},
  "model-routing": {},
  "model-mappings": { mappings: [] },
  "canonical-names": {},
  "vendor-accounts": {},
  "health-check": {},
  batch: {},
  files: {},
  mcp: {},
  realtime: {},
  "websocket-api": {},
};

/** Facts that a request which the gateway answers itself does not have. */
const TARGET_FACTS = new Set(["body", "model", "candidates", "target"]);

type Factory = ((options: unknown) => Plugin) & { definition: Plugin["definition"] };

interface Listed {
  name: string;
  plugin: Plugin;
}

async function listPlugins(): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const name of readdirSync(`${ROOT}plugins`)) {
    const module = (await import(`@gatewright/${name}`)) as Record<string, unknown>;
    const factory = Object.values(module).find(
      (value): value is Factory =>
        typeof value === "function" && (value as Partial<Factory>).definition?.name === name,
    );
    if (!factory) throw new Error(`plugins/${name} exports no factory of that name`);
    if (!(name in OPTIONS)) throw new Error(`add options for plugins/${name} to this test`);
    listed.push({ name, plugin: factory(OPTIONS[name]) });
  }
  return listed;
}

/** The same plugin, which leaves a mark each time that its middleware runs, and one that it has any. */
function marked({ name, plugin }: Listed, { ran, acting }: Record<"ran" | "acting", Set<string>>): Plugin {
  const { definition } = plugin;
  const setup: typeof definition.setup = async (options, host) => {
    const instance = await definition.setup(options, host);
    const { middleware } = instance;
    if (!middleware) return instance;
    acting.add(name);
    return {
      ...instance,
      middleware: (ctx, next) => {
        ran.add(name);
        return middleware(ctx, next);
      },
    };
  };
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(plugin),
      definition: { value: { ...definition, setup }, enumerable: true },
    },
  ) as Plugin;
}

/** An order in which every need is met: plugins that act on headers first, those that choose a target last. */
function inOrder(listed: readonly Listed[]): Listed[] {
  const rank = ({ plugin: { definition } }: Listed): number =>
    definition.headersOnly
      ? 0
      : definition.gives?.includes("target")
        ? 2
        : definition.needs?.includes("target")
          ? 3
          : 1;
  return listed.toSorted((a, b) => rank(a) - rank(b));
}

describe("every plugin on every operation", () => {
  const ran = new Set<string>();
  const acting = new Set<string>();
  let backend: SimulatedBackend;
  let gateway: TestGateway;
  let plugins: Listed[];

  beforeAll(async () => {
    plugins = inOrder(await listPlugins());
    backend = await startSimulatedBackend({
      dialect: "openai",
      models: [MODEL],
      tokens: 3,
      speechBytes: 2_000,
    });
    gateway = await startTestGateway({
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
      plugins: plugins.map((listed) => marked(listed, { ran, acting })),
    });
  });
  afterAll(async () => {
    await gateway.close();
    await backend.close();
  });

  const expected = ({ operation }: SampleRequest): string[] =>
    plugins
      .filter(({ name }) => acting.has(name))
      .filter(
        ({ plugin }) =>
          operation !== "models" || !plugin.definition.needs?.some((fact) => TARGET_FACTS.has(fact)),
      )
      .map(({ name }) => name);

  it("runs each of them, streamed or not, in any order of requests", async () => {
    const requests = sampleRequests(MODEL);
    const index = fc.integer({ min: 0, max: requests.length - 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(index, { minLength: 1, maxLength: 4 }), async (picks) => {
        for (const pick of picks) {
          // Forms are used up by sending: made anew each time.
          const request = sampleRequests(MODEL)[pick]!;
          ran.clear();
          const reply = await sendSample(gateway.url, request, { authorization: `Bearer ${KEY}` });
          const text = await reply.text();
          expect({ request, status: reply.status, text: reply.status === 200 ? "" : text }).toMatchObject({
            status: 200,
          });
          expect([...ran].sort()).toEqual(expected(request).sort());
        }
      }),
      { numRuns: 40, seed: 7, examples: requests.map((_, pick) => [[pick]]) },
    );
  }, 60_000);
});
