import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { adapters } from "@gatewright/adapters";
import openai from "@gatewright/adapters/openai";
import type { AdapterRegistry, StandardSchemaV1 } from "gatewright";
import { expect, expectTypeOf, it } from "vitest";
import { generateAdapterIndex, listAdapters, renderIndex } from "../../scripts/generate-adapters.ts";
import { ownExchangesOf } from "./_exchanges.ts";
import { FAMILY } from "./_family.ts";

type OptionsOf<Name extends keyof AdapterRegistry> = StandardSchemaV1.InferInput<
  NonNullable<AdapterRegistry[Name]["options"]>
>;

it("has an index that is up to date: else run `npm run generate`", () => {
  for (const { file, text } of generateAdapterIndex()) expect(readFileSync(file, "utf8")).toBe(text);
});

it("finds the adapters by their files, internal ones left out", () => {
  expect(Object.keys(adapters)).toEqual(listAdapters());
  expect(listAdapters()).toEqual(expect.arrayContaining(["ollama", "openai"]));
  expect(listAdapters().filter((name) => name.startsWith("_") || name.includes("."))).toEqual([]);
});

it.each(listAdapters())(
  "holds %s against the contract, with at least twelve exchanges of its own",
  (name) => {
    expect(ownExchangesOf(name).length).toBeGreaterThanOrEqual(12);
    const file = FAMILY[name] ? "family.test.ts" : `${name}.test.ts`;
    expect(readFileSync(new URL(file, import.meta.url), "utf8")).toContain("testAdapter(");
  },
);

it.each(Object.entries(adapters))("loads %s, which bears the name of its file", async (name, load) => {
  const { default: adapter } = await load();
  expect(adapter.name).toBe(name);
});

/** Options without which an adapter is none. */
const REQUIRED: Readonly<Record<string, object>> = {
  bedrock: { region: "us-east-1" },
  vertex: { project: "p-1", location: "us-central1" },
  wenxin: { secretKey: "s" },
};

it.each(Object.entries(adapters))("lets a config add headers to the requests of %s", async (name, load) => {
  const { default: adapter } = await load();
  const options = { ...REQUIRED[name], headers: { "X-Tenant": "t-1" } };
  const checked = await (adapter.options as StandardSchemaV1)["~standard"].validate(options);
  expect(checked.issues).toBeUndefined();
  const { value } = checked as { value: never };
  expect(adapter.headers?.(value)).toMatchObject({ "x-tenant": "t-1" });
});

it("gives an adapter by its own import too, and nothing internal", async () => {
  expect((await adapters["openai"]!()).default).toBe(openai);
  const { resolve } = createRequire(import.meta.url);
  for (const internal of ["_ollama/options", "index.gen"]) {
    expect(() => resolve(`@gatewright/adapters/${internal}`)).toThrow(/not defined by "exports"/);
  }
});

it("writes names with hyphens as names that the language takes", () => {
  const source = renderIndex(["azure-openai"]);
  expect(source).toContain(`import type azureOpenai from "./azure-openai.ts";`);
  expect(source).toContain(`  "azure-openai": () => import("./azure-openai.ts")`);
  expect(source).toContain(`    "azure-openai": typeof azureOpenai;`);
});

it("tells types each adapter's own options", () => {
  expectTypeOf<OptionsOf<"ollama">["numCtx"]>().toEqualTypeOf<number | undefined>();
  expectTypeOf<OptionsOf<"openai">["organization"]>().toEqualTypeOf<string | undefined>();
  expectTypeOf<OptionsOf<"openai-compatible">["responses"]>().toEqualTypeOf<
    "bridged" | "native" | undefined
  >();
  // @ts-expect-error -- a misspelt option
  expectTypeOf<OptionsOf<"ollama">["num_ctx"]>().toBeNumber();
});
