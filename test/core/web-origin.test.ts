import { mcp } from "@gatewright/mcp";
import { websocketApi } from "@gatewright/websocket-api";
import { checkWebOrigin, isWebOrigin, type DownstreamRequest } from "gatewright";
import { describe, expect, it } from "vitest";
import { resolveConfig } from "gatewright";

describe("an origin of web pages", () => {
  it.each(["https://app.example", "http://localhost:3000", "http://127.0.0.1", "https://app.example:8443"])(
    "is scheme, host and port: %s",
    (text) => expect(isWebOrigin(text)).toBe(true),
  );

  it.each([
    "",
    "*",
    "null",
    "app.example",
    "https://app.example/",
    "https://app.example/page",
    "https://App.example",
    "https://app.example:443",
    "https://user@app.example",
  ])("is nothing else: %j", (text) => expect(isWebOrigin(text)).toBe(false));

  it("is asked for where a request has one, and refused with 403", () => {
    const from = (origin?: string): { request: DownstreamRequest } => ({
      request: { method: "GET", path: "/", query: "", headers: { origin }, clientAddress: "127.0.0.1" },
    });
    const asked: string[] = [];
    const mayCall = (origin: string): boolean => {
      asked.push(origin);
      return origin === "https://app.example";
    };
    checkWebOrigin(from(), mayCall);
    checkWebOrigin(from("https://app.example"), mayCall);
    expect(() => checkWebOrigin(from("null"), mayCall)).toThrow(
      expect.objectContaining({ status: 403, code: "origin_not_allowed", type: "permission_error" }),
    );
    expect(asked).toEqual(["https://app.example", "null"]);
  });

  it.each([
    ["mcp", mcp],
    ["websocket-api", websocketApi],
  ])("is told of in the same words where the options of %s have none", async (name, plugin) => {
    const backends = { only: { adapter: "openai", apiKey: "k", models: ["m"] } };
    const plugins = [plugin({ allowedOrigins: ["https://app.example/"] })];
    const resolved = await resolveConfig({ backends, plugins }, { dir: import.meta.dirname });
    expect(resolved).toMatchObject({
      ok: false,
      faults: [
        {
          message: `plugins[0].${name}.allowedOrigins[0] must be an origin, such as \`https://app.example\`, got a string of 20 characters`,
        },
      ],
    });
  });
});
