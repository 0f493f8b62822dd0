import { describe, expect, it } from "vitest";
import { completeAnswers } from "../../create-gateway/src/answers.ts";
import { toProjectName } from "../../create-gateway/src/project-name.ts";
import { UsageError } from "../../create-gateway/src/refusal.ts";
import {
  toBackends,
  toModel,
  toPlugins,
  toPort,
  toRedisURL,
  toServerURL,
  toStore,
} from "../../create-gateway/src/values.ts";
import { backendsOf } from "./_answers.ts";

describe("to-10: defaults", () => {
  it("are Ollama on this machine, memory and every plugin", () => {
    const answers = completeAnswers({ urls: {} }, {});
    expect(answers).toMatchObject({ folder: "my-gateway", state: "memory", port: 8080, example: false });
    expect(answers.backends.map(({ kind, url }) => [kind.id, url])).toEqual([
      ["ollama", "http://127.0.0.1:11434"],
    ]);
    expect([...answers.plugins]).toEqual([
      "api-keys",
      "rate-limit",
      "retry",
      "circuit-breaker",
      "health-check",
      "balancer",
    ]);
    expect(answers.model).toBe("qwen2.5:7b");
  });

  it("have OpenAI as well where its key is set", () => {
    const { backends } = completeAnswers({ urls: {} }, { OPENAI_API_KEY: "sk-x" });
    expect(backends.map(({ kind }) => kind.id)).toEqual(["ollama", "openai"]);
  });

  it("take the usual model of the first chosen backend that has one", () => {
    const given = { urls: { "openai-compatible": "http://h/v1" } };
    const { model } = completeAnswers(
      { ...given, backends: backendsOf("anthropic", "openai-compatible") },
      {},
    );
    expect(model).toBe("claude-sonnet-4-6");
  });
});

describe("to-10: answers that do not go together", () => {
  it.each([
    [{ urls: { vllm: "http://h/v1" } }, "--vllm-url needs --backends vllm."],
    [{ urls: {}, redisURL: "redis://h" }, "--redis-url needs --state redis."],
    [
      { urls: {}, model: "m", backends: backendsOf("openai-compatible") },
      "--openai-compatible-url is needed: where the server is, with its /v1.",
    ],
    [
      { urls: { "openai-compatible": "http://h/v1" }, backends: backendsOf("openai-compatible") },
      "--model is needed: these backends have no usual one.",
    ],
  ])("are refused: %j", (given, message) => {
    expect(() => completeAnswers(given, {})).toThrow(new UsageError(message));
  });
});

describe("to-10: names of projects", () => {
  it.each(["my-gateway", "a", "./apps/gateway.2", "/tmp/x_y~z", "0"])("takes %s", (folder) => {
    expect(toProjectName(folder)).toBe(folder.split("/").at(-1));
  });

  it.each([
    ["My Gateway", "Try my-gateway."],
    ["apps/Gate", "Try gate."],
    [".hidden", "Try hidden."],
    ["_x", "Try x."],
    ["gatewright", "is taken by a package that the project needs."],
    ["node_modules", "is taken"],
    ["ёж", "must be of small letters"],
    ["a".repeat(215), "must be of small letters"],
  ])("refuses %s", (folder, words) => {
    expect(() => toProjectName(folder)).toThrow(UsageError);
    expect(() => toProjectName(folder)).toThrow(words);
  });
});

describe("to-10: values", () => {
  it("are taken in any order and written in ours", () => {
    expect(toBackends("gemini, ollama").map(({ id }) => id)).toEqual(["ollama", "gemini"]);
    expect([...toPlugins("balancer,retry")].sort()).toEqual(["balancer", "retry"]);
    expect(toPlugins("none").size).toBe(0);
  });

  it("lose what a URL may end with", () => {
    expect(toServerURL("vllm-url", "http://GPU1:8000/v1/")).toBe("http://gpu1:8000/v1");
    expect(toServerURL("ollama-url", "http://127.0.0.1:11434")).toBe("http://127.0.0.1:11434");
  });

  it("keep a password of Redis in one word, whatever it has", () => {
    const url = toRedisURL("redis://:p$a'b@host:6380/2");
    expect(url).toMatch(/^[\w:/@.%-]+$/);
    expect(decodeURIComponent(new URL(url).password)).toBe("p$a'b");
  });

  it.each([
    [() => toBackends("olama"), "--backends: olama is none of ollama, openai, "],
    [() => toBackends(","), "--backends needs at least one."],
    [() => toPlugins("cache"), "--plugins: cache is none of api-keys, "],
    [() => toStore("disk"), "--state must be one of memory, file, redis."],
    [() => toPort("0"), "--port must be a whole number from 1 to 65535."],
    [() => toPort("1e3"), "--port must be"],
    [
      () => toServerURL("vllm-url", "gpu1:8000"),
      "--vllm-url must be a URL that begins with http:// or https://.",
    ],
    [() => toServerURL("vllm-url", "http://u:p@gpu1"), "without user, password, ? and #"],
    [() => toRedisURL("http://h"), "--redis-url must be a URL that begins with redis:// or rediss://."],
    [() => toModel("it's"), "--model must be a name"],
  ])("are refused with what is expected (%#)", (read, words) => {
    expect(read).toThrow(UsageError);
    expect(read).toThrow(words);
  });
});
