import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ask } from "../../create-gateway/src/ask.ts";
import type { Choice, Prompts } from "../../create-gateway/src/prompts.ts";
import { backendsOf } from "./_answers.ts";
import { createFolder } from "./_program.ts";

/** Someone who answers by question; what is not said is taken as it is offered. */
function person(answers: Readonly<Record<string, string | string[] | readonly string[][]>>) {
  const questions: string[] = [];
  const complaints: string[] = [];
  const turns = new Map(Object.entries(answers).map(([question, answer]) => [question, [answer].flat()]));
  const prompts: Prompts = {
    async text(question, initial) {
      questions.push(question);
      return (turns.get(question)?.shift() as string | undefined) ?? initial;
    },
    async select<Value extends string>(question: string, choices: readonly Choice<Value>[]): Promise<Value> {
      questions.push(question);
      return (turns.get(question)?.shift() as Value | undefined) ?? choices[0]!.value;
    },
    async selectMany(question, _choices, initial) {
      questions.push(question);
      return (turns.get(question) as string[] | undefined) ?? [...initial];
    },
    complain: (message) => void complaints.push(message),
  };
  return { prompts, questions, complaints };
}

it("to-10: asks for folder, backends, addresses, model, store and plugins, in this order", async () => {
  const { prompts, questions } = person({
    "Which backends?": ["ollama", "openai-compatible"],
    "Other server with OpenAI's API: its URL, with its /v1": "http://gpu1:9000/v1",
    "Where does state live?": "redis",
    "Which plugins?": ["retry"],
  });
  const given = await ask({ urls: {}, folder: "x" }, prompts, {});
  expect(questions).toEqual([
    "Which backends?",
    "Ollama: its URL, without a path",
    "Other server with OpenAI's API: its URL, with its /v1",
    "Model of the example call",
    "Where does state live?",
    "Where is Redis?",
    "Which plugins?",
  ]);
  expect(given).toEqual({
    folder: "x",
    backends: backendsOf("ollama", "openai-compatible"),
    urls: { ollama: "http://127.0.0.1:11434", "openai-compatible": "http://gpu1:9000/v1" },
    model: "qwen2.5:7b",
    state: "redis",
    redisURL: "redis://127.0.0.1:6379",
    plugins: new Set(["retry"]),
  });
});

it("to-10: asks nothing that a flag said", async () => {
  const { prompts, questions } = person({});
  const given = {
    folder: "x",
    backends: backendsOf("vllm"),
    urls: { vllm: "http://h/v1" },
    model: "m",
    state: "memory",
    plugins: new Set<string>(),
  } as const;
  expect(await ask(given, prompts, {})).toEqual(given);
  expect(questions).toEqual([]);
});

it("to-10: says what is wrong with an answer and asks again", async () => {
  const dir = await createFolder();
  mkdirSync(join(dir, "full"));
  writeFileSync(join(dir, "full/a.txt"), "");
  const { prompts, complaints } = person({
    "Folder of the gateway": ["My Gateway", join(dir, "full"), join(dir, "new")],
  });
  const given = await ask({ urls: {}, backends: backendsOf("openai") }, prompts, {});
  expect(given.folder).toBe(join(dir, "new"));
  expect(complaints).toEqual([
    expect.stringContaining("Try my-gateway.") as string,
    `The folder ${join(dir, "full")} is not empty: it has a.txt. Nothing was changed.`,
  ]);
});
