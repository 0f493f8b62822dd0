/**
 * What every plugin promises, whatever it does. A plugin's test calls `describePlugin` and adds its own cases.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { ERROR_CODES, GatewayError, isBodyStream } from "gatewright";
import type { BodyStream, OperationName, Plugin, Reply } from "gatewright";
import { describe, expect, it } from "vitest";
import {
  createDispatch,
  createHost,
  createOperation,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
  setupPlugin,
} from "./_context.ts";
import type { FakeRequest } from "./_context.ts";
import { readOptionRows, readSchemaRows } from "./_readme.ts";

/** Those of core. */
const OPERATIONS: readonly OperationName[] = [
  "chat",
  "completions",
  "responses",
  "embeddings",
  "rerank",
  "speech",
  "transcription",
  "translation",
  "imageGeneration",
  "imageEdit",
  "imageVariation",
  "moderation",
  "models",
];
const CHAIN_FACTS: ReadonlySet<string> = new Set(["body", "model", "candidates", "principal", "target"]);
const README_SECTIONS = ["Install", "Example", "Options", "Errors", "State and scaling", "Limits"];

export interface PluginCase {
  /** Below `plugins/`, and the package's name without its scope. */
  readonly folder: string;
  /** Name of the exported factory. */
  readonly factory: string;
  /** Made with options under which `request` passes untouched. */
  readonly create: () => Plugin;
  readonly request?: FakeRequest;
}

export function describePlugin({ folder, factory, create, request = {} }: PluginCase): void {
  const root = new URL(`../../plugins/${folder}/`, import.meta.url);
  const read = (file: string): string => readFileSync(new URL(file, root), "utf8");

  type Send = (fields?: FakeRequest, dispatch?: Parameters<typeof run>[2]) => Promise<Reply>;

  async function setUp(): Promise<Send> {
    const host = createHost();
    const middlewares = await setupMiddlewares([create()], host);
    return (fields, dispatch = createDispatch()) => {
      const candidates = [createTarget("x"), createTarget("y")];
      return run(middlewares, new FakeContext({ candidates, ...request, ...fields }, host), dispatch);
    };
  }

  describe(`${folder}, as any plugin`, () => {
    it.each(OPERATIONS)("passes %s through when idle", async (name) => {
      const send = await setUp();
      const reply: Reply = { status: 200, headers: { "x-upstream": "1" }, body: new Uint8Array([1, 2]) };
      let calls = 0;
      const passed = await send({ operation: createOperation(name) }, () => {
        calls++;
        return Promise.resolve(reply);
      });
      expect(passed).toBe(reply);
      expect(passed).toEqual({ status: 200, headers: { "x-upstream": "1" }, body: new Uint8Array([1, 2]) });
      expect(calls).toBe(1);
    });

    it("passes a request without a model through", async () => {
      const send = await setUp();
      const reply: Reply = { status: 200, headers: {}, body: "list" };
      const listing = { operation: createOperation("models", { method: "GET", body: "none" }) };
      expect(await send({ ...listing, model: "", candidates: [] }, () => Promise.resolve(reply))).toBe(reply);
    });

    it("hands a stream on without starting it", async () => {
      const send = await setUp();
      const touched: string[] = [];
      const body: BodyStream = {
        start: () => touched.push("start"),
        pause: () => touched.push("pause"),
        resume: () => touched.push("resume"),
        cancel: () => touched.push("cancel"),
      };
      const reply = await send({ stream: true }, () => Promise.resolve({ status: 200, headers: {}, body }));
      expect(isBodyStream(reply.body)).toBe(true);
      expect(reply.body).toBe(body);
      expect(touched).toEqual([]);
    });

    it("passes the request's own faults on as they are", async () => {
      const send = await setUp();
      for (const code of [
        "invalid_request",
        "model_not_allowed",
        "client_closed_request",
        "internal_error",
      ]) {
        const fault = new GatewayError(code);
        expect(await failureOf(send({}, () => Promise.reject(fault)))).toBe(fault);
        expect(fault.headers).toEqual({});
      }
    });

    it("serves a hundred requests at once", async () => {
      const send = await setUp();
      const replies = await Promise.all(Array.from({ length: 100 }, () => send()));
      expect(replies.every(({ status }) => status === 200)).toBe(true);
    });

    if (create().definition.headersOnly) {
      it("reads no body, as it says that headers suffice", async () => {
        const host = createHost();
        const middlewares = await setupMiddlewares([create()], host);
        const ctx = new FakeContext({ candidates: [createTarget("x")], ...request }, host);
        Object.defineProperty(ctx, "body", {
          get() {
            throw new Error("the body has not been read");
          },
        });
        const reply: Reply = { status: 200, headers: {}, body: null };
        // The chain's own snapshot reads the body too, so the middleware runs without it.
        expect(await middlewares[0]!(ctx, () => Promise.resolve(reply))).toBe(reply);
      });
    }

    it("is set up and closed beside a running one, and leaves no timer or handle behind", async () => {
      const before = process.getActiveResourcesInfo().length;
      const [old, current] = [await setupPlugin(create()), await setupPlugin(create())];
      await old.close?.();
      await current.close?.();
      expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
    });

    it("refuses an option that does not exist, naming it", () => {
      const { definition, options } = create();
      const faults = findFaults({ ...create(), definition, options: { ...(options as object), nosuch: 1 } });
      expect(faults.map(({ path }) => path)).toEqual(["nosuch"]);
      expect(findFaults(create())).toEqual([]);
    });

    it("states its name and what it needs and gives", () => {
      const { name, needs = [], gives = [] } = create().definition;
      expect(name).toBe(folder);
      expect([...needs, ...gives].filter((fact) => !CHAIN_FACTS.has(fact))).toEqual([]);
    });

    it("is a package of its own that meets core as a peer", () => {
      const core = JSON.parse(readFileSync(new URL("../../core/package.json", import.meta.url), "utf8")) as {
        version: string;
        engines: object;
      };
      const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, unknown>>;
      expect(manifest).toMatchObject({
        name: `@gatewright/${folder}`,
        type: "module",
        license: "MIT",
        sideEffects: false,
        files: ["dist"],
        peerDependencies: { gatewright: core.version },
        engines: core.engines,
      });
      expect(JSON.stringify(manifest["exports"])).toBe(
        JSON.stringify({
          ".": {
            "gatewright-source": "./src/index.ts",
            types: "./dist/index.d.ts",
            default: "./dist/index.js",
          },
          "./package.json": "./package.json",
        }),
      );
      expect(
        Object.keys(manifest["dependencies"] ?? {}).filter((name) => name.includes("gatewright")),
      ).toEqual([]);
      expect(existsSync(new URL("LICENSE", root))).toBe(true);
    });

    it("documents itself: every section, every option with its default, every error code", () => {
      const readme = read("README.md");
      const headings = Array.from(readme.matchAll(/^## (.*)$/gm), ([, heading]) => heading!);
      expect(headings.filter((heading) => README_SECTIONS.includes(heading))).toEqual(README_SECTIONS);
      expect(readme).toContain(`import { ${factory} } from "@gatewright/${folder}";`);
      expect(readOptionRows(folder)).toEqual(readSchemaRows(create()));
      for (const code of thrownCodes()) {
        expect(readme).toContain(`\`${code}\``);
        expect(code in ERROR_CODES || /^[a-z]+(_[a-z]+)*$/.test(code)).toBe(true);
      }
    });
  });

  function thrownCodes(): string[] {
    const sources = readdirSync(new URL("src/", root)).map((file) => read(`src/${file}`));
    return sources.flatMap((source) =>
      Array.from(source.matchAll(/new GatewayError\(\s*"([^"]*)"/g), ([, code]) => code!),
    );
  }
}
