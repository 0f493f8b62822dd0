import { expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { chat, startBackend, startProject, type ProjectProgram } from "./_project-program.ts";

const TWO = ["--workers", "2"];

/** Pids of the workers that said so far that they listen. */
function pidsOf(program: ProjectProgram): number[] {
  return [...program.output().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
}

it("O6: a signal to the whole group while one worker starts: what the other serves ends whole, exit code 0", async () => {
  const backend = await startBackend({ tokens: 40, tokenMs: 20 });
  const program = await startProject(
    "start",
    `
    async setup() {
      const { default: cluster } = await import("node:cluster");
      if (cluster.worker?.id !== 2) return {};
      console.log("starting", process.pid, ".");
      return new Promise((resolve) => setTimeout(resolve, 600_000, {}));
    },`,
    { backend, args: TWO },
  );
  const starting = await waitFor(
    "the other starts",
    () => /starting (\d+) /.exec(program.output())?.[1],
    30_000,
  );
  const stream = await chat(program.url, { stream: true });
  for (const pid of [Number(starting), ...pidsOf(program)]) process.kill(pid, "SIGINT");
  program.kill("SIGINT");

  expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(await program.exited).toBe(0);
}, 60_000);

it("O7: an exception in a worker that nobody caught: its streams end whole, and another takes its place before", async () => {
  const backend = await startBackend({ tokens: 10_000, tokenMs: 20 });
  const program = await startProject(
    "start",
    `
    setup: () => ({
      middleware(ctx, next) {
        if (ctx.request.headers["x-fault"] === "thrown") setTimeout(() => { throw new Error("no place"); });
        return next();
      },
    }),`,
    { backend, args: TWO },
  );
  await waitFor("both serve", () => pidsOf(program).length === 2, 30_000);
  const stream = await chat(program.url, { stream: true, fault: "thrown" });
  await waitFor("a third serves", () => new Set(pidsOf(program)).size === 3, 30_000);
  expect(program.output()).toContain("an exception that nobody caught");
  expect(program.output()).toContain("ends after its requests; a new one takes its place");

  backend.settings.tokens = 0;
  const next = await chat(program.url);
  await next.text();
  expect(next.status).toBe(200);
  program.kill("SIGTERM");
  await waitFor("the others heard it", () => program.output().match(/SIGTERM: /g)?.length === 2);
  program.kill("SIGTERM");
  expect(await stream.text()).toMatch(/"code":"draining"/);
  expect(await program.exited).toBe(1);
}, 90_000);

it("an exception of the first process that nobody caught stops its workers in order, with exit code 1", async () => {
  const backend = await startBackend({ tokens: 40, tokenMs: 20 });
  const program = await startProject(
    "start",
    `
    setup: () => ({}),
    check() {
      if (process.send === undefined)
        process.once("SIGUSR2", () => { throw new Error("of the first process"); });
      return [];
    },`,
    { backend, args: TWO },
  );
  await waitFor("both serve", () => pidsOf(program).length === 2, 30_000);
  const stream = await chat(program.url, { stream: true });
  program.kill("SIGUSR2");
  expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(await program.exited).toBe(1);
  expect(program.output()).toContain("of the first process");
}, 60_000);
