/** `@gatewright/adapter-tests` as somebody has it who installed it: packed, built, with an adapter of their own. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../../scripts/workspace.ts";

let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "gatewright-adapter-tests-"));
  await run("node", [join(ROOT, "node_modules/typescript/bin/tsc"), "-b", "test/adapter-tests"], ROOT);
  await install();
  await cp(join(ROOT, "test/adapter-tests/example"), project, { recursive: true });
  await rm(join(project, "broken-parrots.test.ts"));
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
}, 120_000);

afterAll(() => rm(project, { recursive: true, force: true }));

/** The two packages from their tarballs, beside what they ask for. */
async function install(): Promise<void> {
  const modules = join(project, "node_modules");
  await mkdir(modules);
  for (const name of await readdir(join(ROOT, "node_modules"))) {
    if (name.startsWith(".") || name === "gatewright" || name === "@gatewright") continue;
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
  const packages = { gatewright: "core", "@gatewright/adapter-tests": "test/adapter-tests" };
  for (const [name, folder] of Object.entries(packages)) {
    const args = ["pack", "--json", "--silent", "--pack-destination", project, "-w", folder];
    const { output } = await run("npm", args, ROOT);
    const [{ filename }] = JSON.parse(output) as [{ filename: string }];
    await mkdir(join(modules, name), { recursive: true });
    await run(
      "tar",
      ["-xzf", join(project, filename), "--strip-components=1", "-C", join(modules, name)],
      ROOT,
    );
  }
}

interface Run {
  code: number;
  output: string;
}

/** Runs a program without what this runner tells its own processes. Rejects unless it ends with one of `codes`. */
function run(
  program: string,
  args: readonly string[],
  cwd: string,
  codes: readonly number[] = [0],
): Promise<Run> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_OPTIONS|NODE_ENV|TEST)/.test(name)),
  );
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error ? Number(error.code) : 0;
      if (codes.includes(code)) resolve({ code, output: stdout });
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`));
    });
  });
}

interface Report {
  testResults: { name: string; assertionResults: { status: string; fullName: string }[] }[];
}

/** Runs the tests of one file: titles by status. */
async function runTests(file: string): Promise<{ code: number; passed: string[]; failed: string[] }> {
  const vitest = join(project, "node_modules/vitest/vitest.mjs");
  const { code, output } = await run("node", [vitest, "run", file, "--reporter=json"], project, [0, 1]);
  const report = JSON.parse(output.slice(output.indexOf("{"))) as Report;
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const titles = (status: string) =>
    results.filter((result) => result.status === status).map(({ fullName }) => fullName);
  return { code, passed: titles("passed"), failed: titles("failed") };
}

it("holds an adapter of somebody else's against the contract", { timeout: 60_000 }, async () => {
  const { code, passed, failed } = await runTests("parrot.test.ts");
  expect(failed).toEqual([]);
  expect(code).toBe(0);
  expect(passed).toEqual(
    expect.arrayContaining([
      "adapter parrot a plain answer is the same through a gateway, on the wire",
      "adapter parrot a client that leaves E14: ends the upstream stream after its first content",
    ]),
  );
});

it("fails the run of an adapter with a fault, at the test that names it", { timeout: 60_000 }, async () => {
  const broken = `import { readExchanges, testAdapter } from "@gatewright/adapter-tests";
import parrot, { fields } from "./parrot.ts";
testAdapter({ ...parrot, errorInReply: undefined, models: undefined }, {
  exchanges: readExchanges(new URL("./fixtures/", import.meta.url)),
  fields,
});
`;
  await writeFile(join(project, "mute.test.ts"), broken);
  const { code, failed } = await runTests("mute.test.ts");
  expect(code).toBe(1);
  expect(failed).toEqual([
    "adapter parrot an error in a reply of 200 reads the error",
    "adapter parrot an error in a reply of 200 is the same through a gateway, on the wire",
  ]);
});

it("has types that an outsider's compiler finds", { timeout: 60_000 }, async () => {
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    types: ["node"],
  };
  const files = ["parrot.ts", "types.ts"];
  const use = `import { checkAdapter, type Finding } from "@gatewright/adapter-tests/checks";
import parrot, { fields } from "./parrot.ts";
export const findings: Promise<Finding[]> = checkAdapter(parrot, { exchanges: [], fields });
// @ts-expect-error -- a misspelt kind
export const misspelt = checkAdapter(parrot, { exchanges: [], waived: { visions: "None." } });
`;
  await writeFile(join(project, "types.ts"), use);
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  expect((await run("node", [compiler, "-p", "."], project)).output).toBe("");
});

it("tells what does not hold without vitest too", async () => {
  const script = `import { checkAdapter, readExchanges } from "@gatewright/adapter-tests/checks";
import { defineAdapter } from "gatewright";
const mute = defineAdapter({ name: "mute", provider: "mute", auth: () => ({}), operations: { chat: { path: "talk" } } });
const exchanges = readExchanges(new URL("./fixtures/", import.meta.url)).slice(0, 1);
const findings = await checkAdapter(mute, { exchanges });
console.log(JSON.stringify(findings.map(({ message }) => message)));
`;
  await writeFile(join(project, "check.mjs"), script);
  // The last test: there is none from here on.
  await rm(join(project, "node_modules/vitest"));
  const { output } = await run("node", ["check.mjs"], project);
  const messages = JSON.parse(output) as string[];
  expect(messages).toContain("the path talk does not begin with a slash");
  expect(messages).toContain("missing: vision (a request with an `image_url`, carried or refused)");
});
