import { testAdapter } from "@gatewright/adapter-tests";
import { defineGatewayConfig, resolveConfig } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import azure, { AzureOptions } from "../../adapters/src/azure.ts";
import { exchangesOf } from "./_exchanges.ts";

testAdapter(azure, {
  exchanges: exchangesOf("azure"),
});

describe("options of azure", () => {
  const parse = (options: unknown) => v.parse(AzureOptions, options);
  const resolve = (backend: object) =>
    resolveConfig(
      { backends: { eu: { adapter: "azure", models: ["m"], ...backend } }, plugins: [] },
      { dir: import.meta.dirname },
    );

  it("takes the address of the resource, or one that is given", async () => {
    const named = await resolve({ resource: "acme-eu" });
    expect(named.ok && named.config.backends[0]!.baseURL.href).toBe("https://acme-eu.openai.azure.com/");
    const given = await resolve({ baseURL: "https://proxy.test/azure" });
    expect(given.ok && given.config.backends[0]!.baseURL.href).toBe("https://proxy.test/azure");
  });

  it("F: refuses a backend with neither, telling what is missing", async () => {
    const result = await resolve({});
    expect(!result.ok && result.faults.map(({ message }) => message)).toEqual([
      "backends.eu.baseURL is required: an http:// or https:// URL, since the adapter `azure` has none without further options",
    ]);
  });

  it("F: does not compile with neither", () => {
    const models = ["m"];
    defineGatewayConfig({ backends: { eu: { adapter: "azure", resource: "acme-eu", models } } });
    defineGatewayConfig({
      backends: { eu: { adapter: "azure", baseURL: "https://proxy.test/azure", models } },
    });
    // @ts-expect-error neither `resource` nor `baseURL`.
    defineGatewayConfig({ backends: { eu: { adapter: "azure", models } } });
  });

  it.each(["2024-10", "latest", "v2", "2024-10-21?x=1"])("F: refuses the version %s", (apiVersion) => {
    expect(v.safeParse(AzureOptions, { apiVersion }).success).toBe(false);
  });

  it("takes versions of the classic API, and v1 when none is given", () => {
    expect(parse({ apiVersion: "2025-04-01-preview" }).apiVersion).toBe("2025-04-01-preview");
    expect(parse({}).apiVersion).toBe("v1");
  });

  it("asks no key of a proxy that has its own", () => {
    expect(azure.auth(undefined, parse({}))).toEqual({});
  });

  it("F: refuses the name of a resource that would be another host", () => {
    expect(v.safeParse(AzureOptions, { resource: "evil.test/#" }).success).toBe(false);
  });
});
