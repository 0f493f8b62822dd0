import { testAdapter } from "@gatewright/adapter-tests";
import { env, isSecret } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import openai, { OpenaiOptions } from "../../adapters/src/openai.ts";
import { exchangesOf } from "./_exchanges.ts";

testAdapter(openai, {
  exchanges: exchangesOf("openai"),
  models: {
    body: {
      object: "list",
      data: [
        { id: "gpt-4.1", object: "model", created: 1_744_316_542, owned_by: "system" },
        { id: "org/own:7b", object: "model" },
        { object: "model" },
      ],
    },
    listed: [{ id: "gpt-4.1", created: 1_744_316_542, ownedBy: "system" }, { id: "org/own:7b" }],
  },
});

describe("options of openai", () => {
  const parse = (options: unknown) => v.parse(OpenaiOptions, options);

  it("asks no key of servers that have none", () => {
    expect(openai.auth(undefined, parse({}))).toEqual({});
  });

  it("P: keeps a secret header masked until it is sent", () => {
    const options = parse({ headers: { "X-Key": env("GATEWRIGHT_TEST_UNSET", "s3cret") } });
    expect(JSON.stringify(options)).not.toContain("s3cret");
    expect(isSecret(options.headers["x-key"])).toBe(true);
    expect(openai.headers?.(options)).toEqual({ "x-key": "s3cret" });
  });

  it("F: refuses header names and values that could smuggle another header", () => {
    expect(v.safeParse(OpenaiOptions, { headers: { "x a": "b" } }).success).toBe(false);
    expect(v.safeParse(OpenaiOptions, { headers: { "x-a": "b\r\nx-b: c" } }).success).toBe(false);
    expect(v.safeParse(OpenaiOptions, { headers: { "x-a": "bü" } }).success).toBe(true);
  });

  it("refuses a misspelt option", () => {
    expect(v.safeParse(OpenaiOptions, { organisation: "org-1" }).success).toBe(false);
  });
});
