import { testAdapter } from "@gatewright/adapter-tests";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolveConfig, serve } from "gatewright";
import type { JsonObject } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import * as v from "valibot";
import wenxin, { fields, WenxinOptions } from "../../adapters/src/wenxin.ts";
import { exchangesOf } from "./_exchanges.ts";

testAdapter(wenxin, {
  exchanges: exchangesOf("wenxin"),
  withoutEffect: [
    // Anything with a text is one.
    "messages[].content[].type",
    // There is one call at most, and `auto` says no more than nothing.
    "parallel_tool_calls",
    "tool_choice",
  ],
  leftOut: ["tool-choice-none"],
  waived: { "usage details": "The API tells totals alone." },
  fields,
  fieldTests: {
    chat: {
      backend: { options: { secretKey: "s3-wenxin" } },
      samples: { temperature: 0.5, stop: "END" },
      byExchange: ["stream", "stream_options", "tool_choice", "parallel_tool_calls"],
    },
  },
});

describe("options of wenxin", () => {
  it("F: refuses an account without its secret", () => {
    expect(v.safeParse(WenxinOptions, {}).success).toBe(false);
    expect(v.safeParse(WenxinOptions, { secretKey: "" }).success).toBe(false);
    expect(v.safeParse(WenxinOptions, { secretKey: "s", tokenURL: "nowhere" }).success).toBe(false);
  });
});

interface Baidu {
  url: string;
  /** Queries of the issuer, oldest first. */
  issued: URLSearchParams[];
  /** Tokens of the calls, oldest first. */
  called: (string | null)[];
}

/** An issuer that numbers its tokens, and an API that takes those that `takes` says. */
async function startBaidu(takes: (token: string) => boolean, issues = true): Promise<Baidu> {
  const issued: URLSearchParams[] = [];
  const called: (string | null)[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://baidu.test");
    const body = (): JsonObject => {
      if (pathname === "/oauth/2.0/token") {
        issued.push(searchParams);
        return issues
          ? { access_token: `token-${issued.length}`, expires_in: 2_592_000 }
          : { error: "invalid_client", error_description: `unknown ${searchParams.get("client_id")}` };
      }
      const token = searchParams.get("access_token");
      called.push(token);
      return takes(token ?? "")
        ? { id: "as-1", created: 1, result: "Hi", is_end: true, usage: { total_tokens: 1 } }
        : { error_code: 110, error_msg: "Access token invalid or no longer valid" };
    };
    request.resume().on("end", () => {
      const json = JSON.stringify(body());
      const streams =
        pathname !== "/oauth/2.0/token" && json.includes("is_end") && request.headers["x-stream"];
      response.setHeader("content-type", streams ? "text/event-stream" : "application/json");
      response.end(streams ? `data: ${json}\n\n` : json);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, issued, called };
}

/** Asks through a gateway; each test has an account of its own, since tokens are kept by account. */
async function startAsking({ url }: Baidu, clientId: string, headers: Record<string, string> = {}) {
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: {
        old: {
          adapter: "wenxin",
          baseURL: url,
          apiKey: clientId,
          secretKey: "s3cret-of-wenxin",
          tokenURL: `${url}/oauth/2.0/token`,
          headers,
          models: ["completions_pro"],
        },
      },
      plugins: [],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  onTestFinished(async () => void (await gateway.stop(1_000)));
  return async (stream = false) => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "completions_pro",
        messages: [{ role: "user", content: "Hi" }],
        stream,
      }),
    });
    return { status: response.status, text: await response.text() };
  };
}

describe("tokens of wenxin", () => {
  it("buys one token for requests side by side, and keeps it", async () => {
    const baidu = await startBaidu(() => true);
    const ask = await startAsking(baidu, "id-keeps");
    const replies = await Promise.all([ask(), ask(), ask()]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    await ask();
    expect(baidu.called).toEqual(Array(4).fill("token-1"));
    expect(baidu.issued).toHaveLength(1);
    expect(Object.fromEntries(baidu.issued[0]!)).toEqual({
      grant_type: "client_credentials",
      client_id: "id-keeps",
      client_secret: "s3cret-of-wenxin",
    });
  });

  it("buys another one when a 200 says that the token is bad, once", async () => {
    const baidu = await startBaidu((token) => token === "token-2");
    const ask = await startAsking(baidu, "id-renews");
    expect((await ask()).status).toBe(200);
    expect(baidu.called).toEqual(["token-1", "token-2"]);
    expect((await ask()).status).toBe(200);
    expect(baidu.called.at(-1)).toBe("token-2");
  });

  it("gives up when the new token is bad too, and tells the client nothing of either", async () => {
    const baidu = await startBaidu(() => false);
    const ask = await startAsking(baidu, "id-refused");
    const { status, text } = await ask();
    expect(status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(baidu.called).toEqual(["token-1", "token-2"]);
    expect(text).not.toMatch(/token-|s3cret|id-refused/);
  });

  it("buys another one for a stream that is answered by JSON saying so", async () => {
    const baidu = await startBaidu((token) => token === "token-2");
    const ask = await startAsking(baidu, "id-streams", { "x-stream": "1" });
    const { status, text } = await ask(true);
    expect(status).toBe(200);
    expect(text).toContain('"content":"Hi"');
    expect(baidu.called).toEqual(["token-1", "token-2"]);
  });

  it("P: fails without a word of the account when no token is to be had", async () => {
    const baidu = await startBaidu(() => true, false);
    const ask = await startAsking(baidu, "id-unknown");
    const { status, text } = await ask();
    expect(status).toBe(502);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(text).not.toMatch(/id-unknown|s3cret|127\.0\.0\.1/);
    expect(baidu.called).toEqual([]);
  });
});
