import { format, inspect } from "node:util";
import { env, isSecret, revealSecret } from "gatewright";
import type { Secret } from "gatewright";
import { describe, expect, it, vi } from "vitest";

const CANARY = "sk-canary-0123456789abcdef";

function secretFromEnvironment(): Secret {
  vi.stubEnv("SECRET_TEST_KEY", CANARY);
  const secret = env("SECRET_TEST_KEY");
  vi.unstubAllEnvs();
  return secret;
}

describe("a secret", () => {
  it.each<[string, (secret: Secret) => string]>([
    ["a template", (secret) => `${secret.toString()} ${secret as unknown as string}`],
    ["concatenation", (secret) => "key " + (secret as unknown as string)],
    ["String", (secret) => String(secret)],
    ["JSON", (secret) => JSON.stringify({ secret, list: [secret] })],
    ["inspection", (secret) => inspect({ secret }, { depth: 9, showHidden: true })],
    ["a log's format", (secret) => format("%s %o %O %j", secret, secret, secret, secret)],
    ["an error", (secret) => inspect(new Error("no", { cause: secret }))],
    ["a copy", (secret) => JSON.stringify({ ...secret }) + inspect(Object.entries(secret))],
  ])("is not printed by %s", (_, print) => {
    const secret = secretFromEnvironment();
    const text = print(secret);
    expect(text).not.toBe("");
    expect(text).not.toContain("canary");
    expect(isSecret(secret)).toBe(true);
    expect(revealSecret(secret)).toBe(CANARY);
  });
});
