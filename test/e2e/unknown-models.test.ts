import { geminiApi } from "@gatewright/gemini-api";
import { defineGatewayPlugin, GatewayError } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

const backends = {
  only: {
    adapter: "openai",
    baseURL: "http://127.0.0.1:9/v1",
    apiKey: "provider-key",
    models: ["gpt-4.1-mini", "secret-large", "secret-larger", "secret-small"],
  },
};
/** Whoever asks may use all models but these. */
const except = (...hidden: readonly string[]) =>
  defineGatewayPlugin({
    name: "except",
    options: v.strictObject({}),
    gives: ["principal"],
    headersOnly: true,
    setup: () => ({
      middleware(ctx, next) {
        ctx.principal = { id: "somebody", allowsModel: (model) => !hidden.includes(model) };
        return next();
      },
    }),
  })();

/** What a chat with a model, and a look at it in both front doors, are told. */
async function toldOf(model: string, plugins: unknown[]): Promise<string[]> {
  await using gateway = await startTestGateway({ backends, plugins });
  const replies = [
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }] }),
    }),
    await fetch(`${gateway.url}/v1/models/${model}`),
    await fetch(`${gateway.url}/v1beta/models/${model}`),
  ];
  const told = [];
  for (const reply of replies) {
    expect(reply.status).toBe(404);
    told.push(((await reply.json()) as { error: { message: string } }).error.message);
  }
  return told;
}

const thrice = (message: string): string[] => [message, message, message];
const LISTED = "`GET /v1/models` lists those that do";

describe("a model that does not exist", () => {
  it.each([
    ["gpt-41-mini", "did you mean `gpt-4.1-mini`?"],
    ["GPT-4.1-Mini", "did you mean `gpt-4.1-mini`?"],
    ["secret-smal", "did you mean `secret-small`?"],
    ["nothing-of-the-kind", LISTED],
    ["g".repeat(200), LISTED],
  ])("%s: names the nearest one, or where they are listed", async (model, advice) => {
    expect(await toldOf(model, [geminiApi()])).toEqual(
      thrice(`The model \`${model}\` does not exist; ${advice}`),
    );
  });

  it("is not told to a key that may not see the nearest", async () => {
    const message = "The model `secret-larg` does not exist; ";
    expect(await toldOf("secret-larg", [except(), geminiApi()])).toEqual(
      thrice(`${message}did you mean \`secret-large\`?`),
    );
    expect(await toldOf("secret-larg", [except("secret-large"), geminiApi()])).toEqual(
      thrice(`${message}did you mean \`secret-larger\`?`),
    );
    expect(
      await toldOf("secret-larg", [except("secret-large", "secret-larger", "secret-small"), geminiApi()]),
    ).toEqual(thrice(message + LISTED));
  });

  it("tells no names before a plugin that authenticates behind the body", async () => {
    const late = defineGatewayPlugin({
      name: "late",
      options: v.strictObject({}),
      gives: ["principal"],
      setup: () => ({
        middleware: () => {
          throw new GatewayError("invalid_api_key");
        },
      }),
    });
    await using gateway = await startTestGateway({ backends, plugins: [late()] });
    const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "secret-smal", messages: [{ role: "user", content: "Hi" }] }),
    });
    expect(reply.status).toBe(404);
    expect(await reply.json()).toMatchObject({
      error: { message: `The model \`secret-smal\` does not exist; ${LISTED}` },
    });
  });
});
