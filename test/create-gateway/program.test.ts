import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readManifest } from "../../scripts/workspace.ts";
import { createFolder, createGateway } from "./_program.ts";

const FILES = [
  ".env",
  ".env.example",
  ".gitignore",
  "README.md",
  "gateway.config.ts",
  "package.json",
  "tsconfig.json",
];

async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

describe("to-10: create-gateway", () => {
  it("makes a project with defaults where there is no terminal, and says what comes next", async () => {
    const dir = await createFolder();
    const run = await createGateway(dir, []);
    expect(run).toEqual({
      code: 0,
      stderr: "",
      stdout: [
        "Made my-gateway.",
        "Next:",
        "  cd my-gateway",
        "  npm install",
        "  npm run dev",
        "A first call to paste is in its README.md.",
        "",
      ].join("\n"),
    });
    expect(await listFiles(join(dir, "my-gateway"))).toEqual(FILES);
  });

  it("makes an adapter and a plugin with --example only", async () => {
    const dir = await createFolder();
    await createGateway(dir, ["x", "--yes", "--example"]);
    expect(await listFiles(join(dir, "x"))).toEqual(
      [...FILES, "adapters/team-server.ts", "plugins/message-limit.ts"].sort(),
    );
  });

  it("asks for exact versions of Gatewright and the chosen plugins, without install scripts", async () => {
    const dir = await createFolder();
    await createGateway(dir, ["x", "--yes", "--plugins", "retry,balancer", "--state", "redis", "--example"]);
    const manifest = JSON.parse(readFileSync(join(dir, "x/package.json"), "utf8")) as Record<string, object>;
    const { version, devDependencies } = readManifest();
    expect(manifest).toMatchObject({
      name: "x",
      private: true,
      type: "module",
      scripts: { dev: "gatewright dev", start: "gatewright start", check: "gatewright check" },
      engines: readManifest().engines,
    });
    expect(Object.keys(manifest["scripts"]!)).toEqual(["dev", "start", "check"]);
    expect(manifest["dependencies"]).toEqual({
      "@gatewright/adapters": version,
      "@gatewright/balancer": version,
      "@gatewright/retry": version,
      gatewright: version,
      ioredis: devDependencies!["ioredis"],
      valibot: devDependencies!["valibot"],
    });
    expect(manifest["devDependencies"]).toEqual({
      "@types/node": devDependencies!["@types/node"],
      typescript: devDependencies!["typescript"],
    });
  });

  it("puts a key of its own into .env, which its owner alone may read, and into no other file", async () => {
    const dir = await createFolder();
    await createGateway(dir, ["x", "--yes"]);
    await createGateway(dir, ["y", "--yes"]);
    const keyOf = (name: string): string => {
      const text = readFileSync(join(dir, name, ".env"), "utf8");
      return /^GATEWAY_KEY=(sk-gateway-[\w-]{43})$/m.exec(text)![1]!;
    };
    expect(keyOf("x")).not.toBe(keyOf("y"));
    expect(statSync(join(dir, "x/.env")).mode & 0o777).toBe(0o600);
    for (const file of FILES.filter((name) => name !== ".env"))
      expect(readFileSync(join(dir, "x", file), "utf8"), file).not.toContain(keyOf("x"));
    expect(readFileSync(join(dir, "x/.gitignore"), "utf8").split("\n")).toContain(".env");
    expect(readFileSync(join(dir, "x/.env.example"), "utf8")).toMatch(/^GATEWAY_KEY=$/m);
  });

  it("has placeholders for vendors' keys, and copies none that is set", async () => {
    const dir = await createFolder();
    const set = { OPENAI_API_KEY: "sk-of-the-user" };
    const run = await createGateway(dir, ["x", "--yes", "--backends", "openai,anthropic"], set);
    expect(run.stdout).toContain("Put your keys into its .env: ANTHROPIC_API_KEY.\n");
    const text = readFileSync(join(dir, "x/.env"), "utf8");
    expect(text).toContain("\n# OPENAI_API_KEY=\n");
    expect(text).toContain("\nANTHROPIC_API_KEY=sk-ant-replace-me\n");
    for (const file of FILES)
      expect(readFileSync(join(dir, "x", file), "utf8"), file).not.toContain(set.OPENAI_API_KEY);
  });

  it("keeps the password of Redis out of all files but .env", async () => {
    const dir = await createFolder();
    await createGateway(dir, ["x", "-y", "--state", "redis", "--redis-url", "redis://:hidden@h:6380"]);
    expect(readFileSync(join(dir, "x/.env"), "utf8")).toContain("\nREDIS_URL=redis://:hidden@h:6380\n");
    for (const file of FILES.filter((name) => name !== ".env"))
      expect(readFileSync(join(dir, "x", file), "utf8"), file).not.toContain("hidden");
  });

  it.each([
    ["npm/11.19.1 node/v22.0.0 linux x64 workspaces/false", "npm install", "npm run dev"],
    ["pnpm/10.1.0 npm/? node/v22.0.0 linux x64", "pnpm install", "pnpm run dev"],
    ["yarn/1.22.22 npm/? node/v22.0.0 linux x64", "yarn install", "yarn run dev"],
    ["bun/1.4.5 npm/? node/v22.0.0 linux x64", "bun install", "bun run dev"],
    ["other/1.0", "npm install", "npm run dev"],
  ])("speaks the words of %s", async (agent, install, dev) => {
    const dir = await createFolder();
    const run = await createGateway(dir, ["x", "--yes"], { npm_config_user_agent: agent });
    expect(run.stdout).toContain(`\n  ${install}\n  ${dev}\n`);
    expect(readFileSync(join(dir, "x/README.md"), "utf8")).toContain(`\n${install}\n${dev}\n`);
  });

  it("takes an empty folder, one with a .git, and the one it stands in", async () => {
    const dir = await createFolder();
    mkdirSync(join(dir, "here/.git"), { recursive: true });
    const run = await createGateway(join(dir, "here"), [".", "--yes"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toContain("Made here.\nNext:\n  npm install\n");
    expect(readFileSync(join(dir, "here/package.json"), "utf8")).toContain('"name": "here"');
  });
});

describe("to-10: create-gateway refuses", () => {
  it("a folder that is not empty: exit 1, and nothing in it changes", async () => {
    const dir = await createFolder();
    mkdirSync(join(dir, "x"));
    for (const name of ["a", "b", "c", "d"]) writeFileSync(join(dir, "x", name), name);
    const run = await createGateway(dir, ["x", "--yes"]);
    expect(run).toEqual({
      code: 1,
      stdout: "",
      stderr: "The folder x is not empty: it has a, b, c and 1 more. Nothing was changed.\n",
    });
    expect(await listFiles(join(dir, "x"))).toEqual(["a", "b", "c", "d"]);
  });

  it.each([
    ["file", "file is a file, or lies within one."],
    ["file/x", "file/x is a file, or lies within one."],
  ])("%s where a file is: exit 1", async (folder, message) => {
    const dir = await createFolder();
    writeFileSync(join(dir, "file"), "");
    expect(await createGateway(dir, [folder, "--yes"])).toEqual({
      code: 1,
      stdout: "",
      stderr: `${message}\n`,
    });
  });

  it.each([
    [["My Gateway"], /^The name "My Gateway" must be of small letters, .* Try my-gateway\.$/],
    [["a", "b"], /^Unexpected argument b\.$/],
    [["--stat", "file"], /^Unknown flag --stat\.$/],
    [["--state"], /^--state needs a value\.$/],
    [["--state", "disk"], /^--state must be one of memory, file, redis\.$/],
    [["--backends", "openai-compatible"], /^--openai-compatible-url is needed/],
  ])("%j as wrong usage: exit 2, with the usage, and makes nothing", async (args, message) => {
    const dir = await createFolder();
    const run = await createGateway(dir, args);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr.split("\n")[0]).toMatch(message);
    expect(run.stderr).toContain("USAGE");
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    [["--version"], /^\d+\.\d+\.\d+\n$/],
    [["--help"], /USAGE[\s\S]*--backends[\s\S]*--redis-url[\s\S]*--example/],
  ])("nothing when it is asked for %j", async (args, output) => {
    const dir = await createFolder();
    const run = await createGateway(dir, args);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toMatch(output);
    expect(await readdir(dir)).toEqual([]);
  });
});
