import { describe, expect, it } from "vitest";
import { createTokenSource } from "../../adapters/src/_token-source.ts";
import type { FetchedToken } from "../../adapters/src/_token-source.ts";

/** A source over an issuer that answers when the test says so. */
function createIssuer(expiresInMs = 3_600_000) {
  const asked: {
    account: string;
    signal: AbortSignal;
    give(token: string): void;
    refuse(error: Error): void;
  }[] = [];
  const clock = { nowMs: 0 };
  const source = createTokenSource<string>({
    keyOf: (account) => account,
    fetchToken: (account, signal) =>
      new Promise<FetchedToken>((resolve, reject) => {
        asked.push({
          account,
          signal,
          give: (token) => resolve({ token, expiresInMs }),
          refuse: reject,
        });
      }),
    nowMs: () => clock.nowMs,
  });
  const signal = new AbortController().signal;
  return {
    asked,
    clock,
    source,
    ask: (account = "a", refused?: string) => source.token(account, { signal, refused }),
  };
}

describe("a token source", () => {
  it("asks the issuer once for all requests that wait, and keeps the token", async () => {
    const { asked, ask } = createIssuer();
    const waiting = [ask(), ask(), ask()];
    expect(asked).toHaveLength(1);
    asked[0]!.give("t1");
    expect(await Promise.all(waiting)).toEqual(["t1", "t1", "t1"]);
    expect(await ask()).toBe("t1");
    expect(asked).toHaveLength(1);
  });

  it("keeps the tokens of accounts apart", async () => {
    const { asked, ask } = createIssuer();
    const waiting = [ask("a"), ask("b")];
    asked[0]!.give("ta");
    asked[1]!.give("tb");
    expect(await Promise.all(waiting)).toEqual(["ta", "tb"]);
  });

  it("renews a token five minutes before its end, and goes on with it meanwhile", async () => {
    const { asked, clock, ask } = createIssuer();
    const first = ask();
    asked[0]!.give("t1");
    await first;
    clock.nowMs = 3_299_999;
    await ask();
    expect(asked).toHaveLength(1);
    clock.nowMs = 3_300_000;
    expect(await Promise.all([ask(), ask()])).toEqual(["t1", "t1"]);
    expect(asked).toHaveLength(2);
    asked[1]!.give("t2");
    await Promise.resolve();
    await Promise.resolve();
    expect(await ask()).toBe("t2");
  });

  it("renews a token of a short life at the half of it", async () => {
    const { asked, clock, ask } = createIssuer(60_000);
    const first = ask();
    asked[0]!.give("t1");
    await first;
    clock.nowMs = 29_999;
    await ask();
    expect(asked).toHaveLength(1);
    clock.nowMs = 30_000;
    await ask();
    expect(asked).toHaveLength(2);
  });

  it("goes on with a token that is still good when its renewal fails, and tries again later", async () => {
    const { asked, clock, ask } = createIssuer();
    const first = ask();
    asked[0]!.give("t1");
    await first;
    clock.nowMs = 3_300_000;
    await ask();
    asked[1]!.refuse(new Error("down"));
    await Promise.resolve();
    await Promise.resolve();
    expect(await ask()).toBe("t1");
    expect(asked).toHaveLength(2);
    clock.nowMs = 3_310_000;
    expect(await ask()).toBe("t1");
    expect(asked).toHaveLength(3);
  });

  it("says why there is no token once the old one is over", async () => {
    const { asked, clock, ask } = createIssuer();
    const first = ask();
    asked[0]!.give("t1");
    await first;
    clock.nowMs = 3_600_000;
    const late = ask();
    asked[1]!.refuse(new Error("down"));
    await expect(late).rejects.toThrow("down");
    const again = ask();
    asked[2]!.give("t2");
    expect(await again).toBe("t2");
  });

  it("forgets a token that was refused, and keeps one that took its place", async () => {
    const { asked, ask } = createIssuer();
    const first = ask();
    asked[0]!.give("t1");
    await first;
    const second = ask("a", "t1");
    expect(asked).toHaveLength(2);
    asked[1]!.give("t2");
    expect(await second).toBe("t2");
    expect(await ask("a", "t1")).toBe("t2");
    expect(asked).toHaveLength(2);
  });

  it("lets one request go without taking the token from the others", async () => {
    const { asked, source, ask } = createIssuer();
    const controller = new AbortController();
    const left = source.token("a", { signal: controller.signal });
    const stayed = ask();
    controller.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    expect(asked[0]!.signal.aborted).toBe(false);
    asked[0]!.give("t1");
    expect(await stayed).toBe("t1");
    await expect(source.token("a", { signal: controller.signal })).rejects.toThrow("gone");
  });
});
