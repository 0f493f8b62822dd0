import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { startBackend, startProject } from "./_project-program.ts";

const MODEL = "gpt-4o-mini";

/** Its `close` never settles; what it opened keeps the process busy, or does not. */
const hanging = (open: string): string => `
  setup() {
    ${open}
    return { close: () => new Promise(() => console.log("closing")) };
  },`;

const OPENED: [string, string][] = [
  ["nothing", ""],
  ["a timer", "setInterval(() => {}, 1000);"],
];

describe.each(["start", "dev"] as const)("a plugin that never closes, under `%s`", (command) => {
  it.each(OPENED)(
    "O6: having opened %s, is told by name and not waited for any longer",
    async (_, open) => {
      const program = await startProject(command, hanging(open), { server: { closeTimeoutMs: 100 } });
      await waitFor("the start is over", () => program.output().includes("Chain: "));
      program.kill("SIGTERM");

      expect(await program.exited).toBe(0);
      expect(program.output()).toMatch(
        /"level":"error","message":"a plugin failed to close","plugin":"own","error":"[^"]*not settled within 0\.1 s"/,
      );
    },
    60_000,
  );

  it.each(OPENED)(
    "O7: having opened %s, the second signal does not wait for it",
    async (_, open) => {
      const program = await startProject(command, hanging(open), { server: { closeTimeoutMs: 600_000 } });
      await waitFor("the start is over", () => program.output().includes("Chain: "));
      program.kill("SIGTERM");
      await waitFor("it is closing", () => program.output().includes("closing\n"));
      program.kill("SIGTERM");

      expect(await program.exited).toBe(1);
    },
    60_000,
  );
});

it("O6: `dev` stops in order from when it answers, before its config is watched", async () => {
  const program = await startProject("dev", "setup: () => ({}),");
  program.kill("SIGTERM");
  expect(await program.exited).toBe(0);
}, 60_000);

describe("a plugin that never closes, on two workers", () => {
  it("O6 O7: neither a signal nor the second waits for it", async () => {
    for (const [closeTimeoutMs, signals] of [
      [100, 1],
      [600_000, 2],
    ] as const) {
      const program = await startProject("start", hanging(""), {
        server: { closeTimeoutMs },
        args: ["--workers", "2"],
      });
      await waitFor("both serve", () => program.output().match(/"message":"Chain/g)?.length === 2, 30_000);
      program.kill("SIGTERM");
      await waitFor("both are closing", () => program.output().match(/closing\n/g)?.length === 2);
      if (signals === 2) program.kill("SIGTERM");
      expect(await program.exited).toBe(signals - 1);
    }
  }, 60_000);
});

describe("a reload", () => {
  it("retires a plugin that never closes: it is told, and a later stop does not wait for it", async () => {
    const program = await startProject("dev", hanging(""), { server: { closeTimeoutMs: 100 } });
    await waitFor("the start is over", () => program.output().includes("Chain: "));
    await program.write("setup: () => ({}),");
    await waitFor("it is told", () => program.output().includes('"a plugin failed to close","plugin":"own"'));
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  }, 60_000);
});

describe("a request that had begun to come when the last running one was over", () => {
  it("O6: runs to its end, whatever time it takes", async () => {
    const backend = await startBackend({ tokens: 60, tokenMs: 20 });
    const gateway = await startTestGateway({
      backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [MODEL] } },
    });
    const client = await connectRaw(gateway.url);
    onTestFinished(() => client.destroy());
    const body = JSON.stringify({
      model: MODEL,
      stream: true,
      messages: [{ role: "user", content: "hello" }],
    });
    const request = requestText("POST", "/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body,
    });
    await client.send(request.slice(0, 40));
    const stopped = gateway.server.stop(60_000);
    await client.send(request.slice(40));

    expect(String((await readReply(client)).body)).toMatch(/data: \[DONE\]\n\n$/);
    expect(await stopped).toBe(true);
  });
});
