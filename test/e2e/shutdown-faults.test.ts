import { describe, expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { chat, startBackend, startProject, type ProjectProgram } from "./_project-program.ts";

/** A fault of a plugin's that belongs to no request. */
const FAULTY = `
  setup: () => ({
    middleware(ctx, next) {
      const fault = ctx.request.headers["x-fault"];
      if (fault === "rejected") void Promise.reject(new Error("nobody waits for this"));
      if (fault === "next") void next().then(() => { throw new Error("nor for this"); });
      if (fault === "object") void Promise.reject({ key: "sk-not-to-be-told" });
      if (fault === "thrown") setTimeout(() => { throw new Error("this has no place"); });
      return next();
    },
  }),`;

interface Line {
  level: string;
  message: string;
  cause?: string;
}

function errorsOf(program: ProjectProgram): Line[] {
  const lines = program.output().split("\n");
  return lines
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ level }) => level === "error");
}

const answered = async (url: string, fault: string): Promise<number> => {
  const reply = await chat(url, { fault });
  await reply.text();
  return reply.status;
};

describe.each(["start", "dev"] as const)("a fault that belongs to no request, under `%s`", (command) => {
  it("O7: a rejected promise that nobody took is told with its stack, and cuts nobody's stream", async () => {
    const backend = await startBackend({ tokens: 20, tokenMs: 20 });
    const program = await startProject(command, FAULTY, { backend });
    const stream = await chat(program.url, { stream: true });
    for (const fault of ["rejected", "next", "object"]) expect(await answered(program.url, fault)).toBe(200);

    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    const errors = await waitFor("all are told", () => {
      const told = errorsOf(program);
      return told.length === 3 ? told : undefined;
    });
    expect(new Set(errors.map(({ message }) => message))).toEqual(
      new Set(["a promise was rejected and nobody took it"]),
    );
    const causes = errors.map(({ cause }) => cause!).join("\n");
    expect(causes).toMatch(/Error: nobody waits for this\n {4}at .*gateway\.config\.ts:/);
    expect(causes).toMatch(/Error: nor for this\n {4}at .*gateway\.config\.ts:/);
    expect(program.output()).not.toContain("sk-not-to-be-told");
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  }, 60_000);

  it("O7: an exception that nobody caught is told, running requests end whole, exit code 1", async () => {
    const backend = await startBackend({ tokens: 20, tokenMs: 20 });
    const program = await startProject(command, FAULTY, { backend });
    const stream = await chat(program.url, { stream: true });
    expect(await answered(program.url, "thrown")).toBe(200);

    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await program.exited).toBe(1);
    expect(errorsOf(program)).toMatchObject([
      { message: "an exception that nobody caught", cause: expect.stringContaining("this has no place") },
    ]);
  }, 60_000);
});

it("O7: the next exception ends it at once", async () => {
  const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
  const program = await startProject("start", FAULTY, { backend, server: { preStopDelayMs: 600_000 } });
  const stream = await chat(program.url, { stream: true });
  void chat(program.url, { stream: true, fault: "thrown" }).catch(() => {});
  await waitFor("the first is told", () => errorsOf(program).length === 1);
  void chat(program.url, { stream: true, fault: "thrown" }).catch(() => {});
  expect(await program.exited).toBe(1);
  expect(errorsOf(program)).toHaveLength(2);
  await expect(stream.text()).rejects.toThrow();
}, 60_000);

it("O7: after an exception the first signal changes nothing, the second ends running requests at once", async () => {
  const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
  const program = await startProject("start", FAULTY, { backend, server: { preStopDelayMs: 600_000 } });
  const stream = await chat(program.url, { stream: true });
  const text = stream.text();
  void chat(program.url, { stream: true, fault: "thrown" }).then((reply) => reply.text());
  await waitFor("it is told", () => program.output().includes("a second signal ends them"));
  program.kill("SIGTERM");
  // Taken before the next request is, by which it is seen that the signal did nothing.
  expect((await chat(program.url, { stream: true })).status).toBe(200);
  program.kill("SIGTERM");
  expect(await text).toMatch(/"code":"draining"/);
  expect(await program.exited).toBe(1);
}, 60_000);
