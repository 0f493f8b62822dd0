import { readFile, symlink, writeFile } from "node:fs/promises";
import { inspect } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { formatFaults, type ConfigFault } from "../../../core/src/config/fault.ts";
import { loadGatewayConfig, type LoadOptions } from "../../../core/src/config/load.ts";
import type { ResolvedConfig } from "../../../core/src/config/resolved.ts";
import { revealSecret } from "../../../core/src/config/secret.ts";
import { configSource, createProject, type Project } from "./_project.ts";

async function loaded(project: Project, options: LoadOptions = {}): Promise<ResolvedConfig> {
  const result = await loadGatewayConfig({ cwd: project.dir, ...options });
  if (!result.ok) throw new Error(formatFaults(result.faults));
  return result.config;
}

async function refused(project: Project, options: LoadOptions = {}): Promise<readonly ConfigFault[]> {
  const result = await loadGatewayConfig({ cwd: project.dir, ...options });
  if (result.ok) throw new Error("the config was accepted");
  return result.faults;
}

afterEach(() => vi.unstubAllEnvs());

const DATA = {
  json: `{
  "backends": { "local": { "adapter": "plain", "baseURL": "http://127.0.0.1:1", "models": ["m"], "apiKey": "\${LOCAL_KEY}" } },
  "server": { "port": 9001 }
}`,
  yaml: `
backends:
  local: { adapter: plain, baseURL: "http://127.0.0.1:1", models: [m], apiKey: "\${LOCAL_KEY}" }
server:
  port: 9001
`,
  toml: `
[backends.local]
adapter = "plain"
baseURL = "http://127.0.0.1:1"
models = ["m"]
apiKey = "\${LOCAL_KEY}"
[server]
port = 9001
`,
};

const MODULE = `
import { env } from "gatewright";
export default {
  backends: { local: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"], apiKey: env("LOCAL_KEY") } },
  server: { port: 9001 },
};
`;

describe("formats", () => {
  const formats = {
    ts: MODULE,
    js: MODULE,
    mjs: MODULE,
    json: DATA.json,
    yaml: DATA.yaml,
    yml: DATA.yaml,
    toml: DATA.toml,
  };
  for (const [extension, content] of Object.entries(formats)) {
    it(`co-1: reads gateway.config.${extension}, with a key from the environment`, async () => {
      vi.stubEnv("LOCAL_KEY", "from-env");
      const config = await loaded(await createProject({ [`gateway.config.${extension}`]: content }));
      expect(config.server.port).toBe(9001);
      expect(revealSecret(config.backends[0]!.apiKey!)).toBe("from-env");
    });
  }

  for (const extension of ["json", "yaml", "toml"] as const) {
    it(`J7: reads gateway.config.${extension} with a byte order mark before it`, async () => {
      vi.stubEnv("LOCAL_KEY", "from-env");
      const project = await createProject({ [`gateway.config.${extension}`]: `\uFEFF${DATA[extension]}` });
      expect((await loaded(project)).server.port).toBe(9001);
    });

    it(`to-2: says that gateway.config.${extension} is not in UTF-8`, async () => {
      const project = await createProject();
      await writeFile(
        project.path(`gateway.config.${extension}`),
        Buffer.from(`\uFEFF${DATA[extension]}`, "utf16le"),
      );
      expect(await refused(project)).toMatchObject([
        {
          file: project.path(`gateway.config.${extension}`),
          message: "the file is not in UTF-8: save it as that",
        },
      ]);
    });
  }

  it("J7: reads a .env and an adapter in JSON with a byte order mark before them", async () => {
    const project = await createProject({
      ".env": `\uFEFFMARKED_KEY=k\n`,
      "adapters/mine.json": `\uFEFF{ "extends": "plain" }`,
      "gateway.config.json": DATA.json.replace("LOCAL_KEY", "MARKED_KEY").replace('"plain"', '"mine"'),
    });
    const { backends } = await loaded(project);
    expect(backends[0]!.adapter.name).toBe("mine");
    expect(revealSecret(backends[0]!.apiKey!)).toBe("k");
  });

  it("to-2: tells the line of a fault in JSON after a byte order mark", async () => {
    const project = await createProject({ "gateway.config.json": `\uFEFF{\n  "backends": {},\n}` });
    expect(await refused(project)).toMatchObject([{ message: "invalid JSON", line: 3, column: 1 }]);
  });

  it("to-2: says of another format that it is none", async () => {
    const project = await createProject({ "gateway.config.jsonc": DATA.json });
    expect(await refused(project, { file: "gateway.config.jsonc" })).toMatchObject([
      { message: "a config is a file of TypeScript, JavaScript, JSON, YAML or TOML, by its extension" },
    ]);
  });

  it("has a config in YAML that another extends among its sources", async () => {
    vi.stubEnv("LOCAL_KEY", "k");
    const project = await createProject({
      "base.yaml": DATA.yaml,
      "gateway.config.json": `{ "extends": "./base.yaml", "backends": {} }`,
    });
    expect((await loadGatewayConfig({ cwd: project.dir })).sources).toContain(project.path("base.yaml"));
  });

  it("co-1: takes a backend by the name of what objects have, and null for what is none, in YAML as in JSON", async () => {
    vi.stubEnv("LOCAL_KEY", "k");
    const yaml = `backends: { constructor: { adapter: plain, baseURL: "http://127.0.0.1:1", models: [m] } }`;
    const config = await loaded(await createProject({ "gateway.config.yaml": yaml }));
    expect(config.backends.map(({ name }) => name)).toEqual(["constructor"]);
    const faults = await refused(await createProject({ "gateway.config.yaml": `${DATA.yaml}state: null\n` }));
    expect(faults).toMatchObject([{ path: "state" }]);
  });

  it("co-1: finds config/gateway.yaml and takes relative paths from the project", async () => {
    vi.stubEnv("LOCAL_KEY", "from-env");
    const project = await createProject({
      "config/gateway.yaml": `${DATA.yaml}state: { driver: file, dir: data }\n`,
    });
    const config = await loaded(project);
    expect(config.dir).toBe(project.dir);
    expect(config.state).toMatchObject({ driver: "file", dir: project.path("data") });
  });

  it("co-1: takes plugins by name and options from data formats", async () => {
    const project = await createProject({
      "gateway.config.yaml": `
backends: { local: { adapter: plain, baseURL: "http://127.0.0.1:1", models: [m] } }
plugins:
  - greet
  - { name: greet, options: { word: hi }, when: { operations: [chat] } }
`,
      "node_modules/@gatewright/greet/package.json": `{ "name": "@gatewright/greet", "main": "./index.ts" }`,
      "node_modules/@gatewright/greet/index.ts": `
        import { defineGatewayPlugin } from "gatewright";
        const options = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: { word: "hello", ...value } }) } };
        export const greet = defineGatewayPlugin({ name: "greet", options, setup: () => ({}) });
      `,
    });
    const { plugins } = await loaded(project);
    expect(plugins.map(({ options, conditions }) => ({ options, conditions }))).toEqual([
      { options: { word: "hello" }, conditions: [] },
      { options: { word: "hi" }, conditions: [{ operations: ["chat"] }] },
    ]);
  });

  it("offers the nearest of the plugins at hand for one that is not there, which keeps its place", async () => {
    const factory = (name: string): string => `
      const validate = (value) => (value.n === undefined ? { value } : { issues: [{ message: "Leave n out", path: ["n"] }] });
      const options = { "~standard": { version: 1, vendor: "test", validate } };
      module.exports.plugin = require("gatewright").defineGatewayPlugin({ name: "${name}", options, setup: () => ({}) });
    `;
    const project = await createProject({
      "node_modules/@gatewright/balancer/index.js": factory("balancer"),
      "node_modules/@gatewright/retry/index.js": factory("retry"),
      "gateway.config.yaml": `${DATA.yaml}plugins: [{ name: balncer }, { name: retry, options: { n: 1 } }, retry: { n: 1 }]\n`,
    });
    vi.stubEnv("LOCAL_KEY", "k");
    expect(await refused(project)).toEqual([
      expect.objectContaining({ path: "plugins[0]", hint: "Did you mean `balancer`?" }),
      expect.objectContaining({
        path: "plugins[2]",
        hint: 'Write a plugin by its name, { "name": "retry", "options": { … } }, or call its factory.',
      }),
      expect.objectContaining({ path: "plugins[1].retry.n" }),
    ]);
  });

  it("names the package to install for a plugin that is not there", async () => {
    const project = await createProject({ "gateway.config.yaml": `${DATA.yaml}plugins: [nosuch]\n` });
    const fault = (await refused(project)).find(({ path }) => path === "plugins[0]");
    expect(fault).toMatchObject({
      message: "plugins[0]: the package @gatewright/nosuch is not installed",
      hint: "Install it: npm install @gatewright/nosuch",
    });
  });
});

describe("defaults", () => {
  it("listens on every interface in production and on loopback in development", async () => {
    const project = await createProject({ "gateway.config.ts": configSource("") });
    expect((await loaded(project)).server).toMatchObject({ host: "0.0.0.0", port: 8080, workers: 1 });
    expect((await loaded(project, { mode: "development" })).server.host).toBe("127.0.0.1");
  });

  it("has the time limits and the limits of clients that the reference states", async () => {
    const config = await loaded(await createProject({ "gateway.config.ts": configSource("") }));
    expect(config.timeouts).toEqual({
      connectMs: 5000,
      firstByteMs: 60_000,
      firstTokenMs: 0,
      idleMs: 60_000,
      attemptMs: 0,
      totalMs: 60_000,
      maxStreamMs: 600_000,
    });
    expect(config.server.limits).toEqual({
      jsonBytes: 20 * 1024 * 1024,
      jsonDepth: 128,
      jsonValues: 500_000,
      speechCharacters: 4_096,
      partBytes: 100 * 1024 * 1024,
      spoolBytes: 256 * 1024 * 1024,
      parts: 50,
      partHeaderBytes: 8192,
      imageBytes: 4 * 1024 * 1024,
      headerBytes: 16_384,
      urlBytes: 8192,
      headersTimeoutMs: 10_000,
      bodyTimeoutMs: 60_000,
      keepAliveMs: 65_000,
      writeTimeoutMs: 60_000,
      streamKeepAliveMs: 15_000,
      maxConnections: 0,
      replyBytes: 64 * 1024 * 1024,
    });
    expect(config.backends[0]).toMatchObject({ weight: 1, connections: 1024, timeouts: config.timeouts });
  });

  it("drains as long as a stream may last, and never less than a minute", async () => {
    const drain = async (body: string): Promise<number> =>
      (await loaded(await createProject({ "gateway.config.ts": configSource(body) }))).server.drainTimeoutMs;
    expect(await drain("")).toBe(600_000);
    expect(await drain("timeouts: { maxStreamMs: 5_000 }")).toBe(60_000);
    expect(await drain("server: { drainTimeoutMs: 100 }")).toBe(100);
  });
});

describe("layers", () => {
  const layered = configSource(`
    server: { port: 1, trustedProxies: ["10.0.0.1", "10.0.0.2"], workers: 3 },
    $production: { server: { port: 2, trustedProxies: ["10.0.0.9"] } },
    $development: { server: { port: 3 } },
    $test: { server: { port: 4 } },
    $env: { production: { log: { level: "warn" } } },
  `);

  it("lays the mode's layer over the file; lists replace, objects merge", async () => {
    const project = await createProject({ "gateway.config.ts": layered });
    const production = await loaded(project);
    expect(production.server).toMatchObject({ port: 2, workers: 3, trustedProxies: ["10.0.0.9"] });
    expect(production.log.level).toBe("warn");
    expect((await loaded(project, { mode: "development" })).server.port).toBe(3);
    expect((await loaded(project, { mode: "test" })).server.port).toBe(4);
  });

  it("takes the layer of $env that GATEWRIGHT_ENV names, over the mode's own", async () => {
    vi.stubEnv("GATEWRIGHT_ENV", "staging");
    const source = configSource(
      `$production: { server: { port: 2 } }, $env: { staging: { server: { port: 5 } } },`,
    );
    const project = await createProject({ "gateway.config.ts": source });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(result.ok && result.config.server.port).toBe(5);
    expect(result.warnings).toEqual([]);
  });

  describe("a GATEWRIGHT_ENV that no layer answers to", () => {
    const STAGES = `$production: { server: { port: 2 } }, $env: { staging: { server: { port: 5 } }, eu: {} },`;
    const warningsFor = async (name: string, files: Record<string, string>): Promise<readonly string[]> => {
      vi.stubEnv("GATEWRIGHT_ENV", name);
      const project = await createProject(files);
      const result = await loadGatewayConfig({ cwd: project.dir });
      expect(result.ok).toBe(true);
      return result.warnings;
    };

    it.each([
      ["stagin", "did you mean staging?"],
      ["Staging", "did you mean staging?"],
      ["prodution", "did you mean production?"],
      ["us-east", "it has production, staging, eu"],
      ["constructor", "it has production, staging, eu"],
    ])("%s is warned of: %s", async (name, hint) => {
      expect(await warningsFor(name, { "gateway.config.ts": configSource(STAGES) })).toEqual([
        `GATEWRIGHT_ENV is "${name}", of which the config has no layer; ${hint}`,
      ]);
    });

    it("is looked for in the files that are extended too", async () => {
      const files = {
        "gateway.config.ts": `export default { extends: "./base.ts", $env: { qa: {} } };`,
        "base.ts": configSource(STAGES),
      };
      expect(await warningsFor("eu", files)).toEqual([]);
      expect(await warningsFor("qb", files)).toEqual([expect.stringContaining("did you mean qa?")]);
    });

    it("is no matter where it is unset, a mode, or the config has no layers", async () => {
      for (const name of ["", "production", "development", "test", "staging"])
        expect(await warningsFor(name, { "gateway.config.ts": configSource(STAGES) })).toEqual([]);
      expect(await warningsFor("stagin", { "gateway.config.ts": configSource("") })).toEqual([]);
    });

    it("is as if unset when it is empty: the mode's layer of $env holds", async () => {
      vi.stubEnv("GATEWRIGHT_ENV", "");
      const project = await createProject({
        "gateway.config.ts": configSource(`$env: { production: { server: { port: 9 } } },`),
      });
      expect((await loaded(project)).server.port).toBe(9);
    });
  });

  it("extends other files, each with its own layers, the nearest winning", async () => {
    const project = await createProject({
      "gateway.config.ts": `export default { extends: ["./base/one.ts", "./base/two.json"], server: { workers: 2 } };`,
      "base/one.ts": configSource(
        `extends: "./deep.mjs", server: { port: 11 }, $production: { log: { level: "error" } },`,
      ),
      "base/two.json": `{ "server": { "port": 22, "host": "127.0.0.2" } }`,
      "base/deep.mjs": `export default { server: { port: 33, preStopDelayMs: 7 } };`,
    });
    const config = await loaded(project);
    expect(config.server).toMatchObject({ workers: 2, port: 11, host: "127.0.0.2", preStopDelayMs: 7 });
    expect(config.log.level).toBe("error");
    expect(config.backends.map(({ name }) => name)).toEqual(["local"]);
  });

  it("merges plugins of a layer by name: changed in place, new ones after", async () => {
    const project = await createProject({
      "plugins.ts": `
        import { defineGatewayPlugin } from "gatewright";
        const options = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };
        export const make = (name) => defineGatewayPlugin({ name, options, setup: () => ({}) });
      `,
      "base.ts": configSource(
        `plugins: [make("a")({ n: 1 }), make("b")({ n: 1 }), make("a")({ n: 2 })],`,
        `import { make } from "./plugins.ts";`,
      ),
      "gateway.config.ts": `
        import { make } from "./plugins.ts";
        export default { extends: "./base.ts", plugins: [make("b")({ n: 9 }), make("a")({ n: 9 }), make("c")({ n: 9 })] };
      `,
    });
    const { plugins } = await loaded(project);
    expect(plugins.map(({ plugin, options }) => [plugin.name, (options as { n: number }).n])).toEqual([
      ["a", 9],
      ["b", 9],
      ["a", 2],
      ["c", 9],
    ]);
  });

  it("refuses a missing base, a remote one and a circle, each with its place", async () => {
    const project = await createProject({
      "gateway.config.ts": configSource(`extends: ["./nosuch", "gh:acme/config", "./loop.ts", 5],`),
      "loop.ts": `export default { extends: "./gateway.config.ts" };`,
      "nosuch.ts": `export default {};`,
    });
    const faults = await refused(project);
    expect(faults).toHaveLength(4);
    expect(faults).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          path: "extends[0]",
          received: "no such file",
          hint: 'Did you mean "./nosuch.ts"?',
        }),
        expect.objectContaining({
          path: "extends[1]",
          hint: expect.stringContaining("remote sources are not read"),
        }),
        expect.objectContaining({
          file: project.path("loop.ts"),
          path: "extends",
          received: "a file that extends this one",
        }),
        expect.objectContaining({ path: "extends[3]", received: "5" }),
      ]),
    );
  });
});

describe("faults of a config in several files", () => {
  it("are told of the file, and the place in it, that they were written at", async () => {
    const project = await createProject({
      "plugins.ts": `
        import { defineGatewayPlugin } from "gatewright";
        const validate = ({ n }) => (n > 0 ? { value: { n } } : { issues: [{ message: "Give n", path: ["n"] }] });
        const options = { "~standard": { version: 1, vendor: "test", validate } };
        export const make = (name) => defineGatewayPlugin({ name, options, setup: () => ({}) });
      `,
      "base/one.ts": configSource(
        `timeouts: { idleMs: -1, connectMs: 1 }, plugins: [make("a")({ n: 1 }), make("b")({ n: 0 })],`,
        `import { make } from "../plugins.ts";`,
      ),
      "base/two.ts": `export default { statee: 1, timeouts: { connectMs: -1, attemptMs: -1 }, $production: { log: { level: "loud" } } };`,
      "gateway.config.ts": `
        import { make } from "./plugins.ts";
        export default { extends: ["./base/one.ts", "./base/two.ts"], plugins: [make("c")({ n: 0 })] };
      `,
    });
    const told = (await refused(project)).map(({ file, path, message }) => [
      file.slice(project.dir.length + 1),
      path,
      message.startsWith(path),
    ]);
    const places = [
      ["base/one.ts", "timeouts.idleMs", true],
      ["base/two.ts", "timeouts.attemptMs", true],
      ["base/two.ts", "statee", true],
      ["base/two.ts", "$production.log.level", true],
      ["base/one.ts", "plugins[1].b.n", true],
      ["gateway.config.ts", "plugins[0].c.n", true],
    ];
    expect(told).toHaveLength(places.length);
    expect(told).toEqual(expect.arrayContaining(places));
  });

  it("name in their text the place where the part was written, in a layer too", async () => {
    const baseURL = `baseURL: "http://127.0.0.1:1"`;
    const project = await createProject({
      "gateway.config.ts": configSource(`$production: {
        backends: {
          a: { adapter: "plaim", ${baseURL}, models: ["m"] },
          b: { adapter: "plain", models: ["m"] },
          c: { adapter: "plain", ${baseURL}, models: ["m", "m"] },
          d: { adapter: "plain", ${baseURL} },
          f: { adapter: "auto", baseURL: "ftp://127.0.0.1" },
        },
        models: {
          g: { targets: [{ backend: "far" }] },
          "h-*": { aliases: ["i"] },
          j: { aliases: ["g"] },
        },
      },`),
    });
    const faults = await refused(project);
    expect(faults.map(({ path }) => path).sort()).toEqual([
      "$production.backends.a.adapter",
      "$production.backends.b.baseURL",
      "$production.backends.c.models[1]",
      "$production.backends.d.models",
      "$production.backends.f.adapter",
      "$production.backends.f.baseURL",
      "$production.models.g.targets[0].backend",
      "$production.models.j.aliases[0]",
      '$production.models["h-*"].aliases',
    ]);
    for (const { path, message } of faults) expect(message.slice(0, path.length)).toBe(path);
    const taken = faults.find(({ path }) => path.startsWith("$production.models.j"));
    expect(taken!.message).toBe('$production.models.j.aliases[0]: "g" is taken by $production.models.g');
  });

  it("are told of the strongest file that has what surrounds a part that is missing", async () => {
    const project = await createProject({
      "base.ts": `export default { backends: { near: { adapter: "plain" }, far: { adapter: "plain", models: ["m"] } } };`,
      "gateway.config.ts": `export default { extends: "./base.ts", backends: { near: { models: ["n"] } } };`,
    });
    const told = (await refused(project)).map(({ file, path }) => [file.slice(project.dir.length + 1), path]);
    expect(told).toEqual([
      ["gateway.config.ts", "backends.near.baseURL"],
      ["base.ts", "backends.far.baseURL"],
    ]);
  });
});

describe("files that cannot be read", () => {
  const syntax = (extension: string, content: string, line: number, column: number): void => {
    it(`tells the place of a syntax error in ${extension}, and no text around it`, async () => {
      const name = `gateway.config.${extension}`;
      const project = await createProject({ [name]: content });
      const faults = await refused(project);
      expect(faults).toHaveLength(1);
      expect(faults[0]).toMatchObject({ file: project.path(name), line, column, expected: "valid syntax" });
      expect(formatFaults(faults, project.dir).split(`${name}:${line}:${column} `)).toHaveLength(2);
      expect(JSON.stringify(faults)).not.toContain("sk-canary");
    });
  };
  syntax("ts", `export default {\n  server: { port: 8080 } apiKey: "sk-canary",\n};\n`, 2, 26);
  syntax("mjs", `export default {\n  server: { port: 8080 } apiKey: "sk-canary",\n};\n`, 2, 26);
  syntax("json", `{\n  "apiKey": "sk-canary",\n  "server": sk-canary\n}\n`, 3, 13);
  syntax("yaml", `apiKey: sk-canary\nserver: { port: 1 }}\nkey: sk-canary\n`, 2, 20);
  syntax("toml", `apiKey = "sk-canary"\nport = sk-canary\n`, 2, 8);

  it("tells where the config throws, in an imported file too, without a stack", async () => {
    const project = await createProject({
      "gateway.config.ts": `import { port } from "./lib/port.ts";\nexport default { server: { port } };`,
      "lib/port.ts": `const limits: { port?: { value: number } } = {};\n\nexport const port = limits.port!.value;\n`,
    });
    const [fault] = await refused(project);
    expect(fault).toMatchObject({
      file: project.path("lib/port.ts"),
      line: 3,
      expected: "code that does not throw",
    });
    expect(fault!.message).toBe("Cannot read properties of undefined (reading 'value')");
    // The code that ran was compiled: its columns are none of the file's.
    expect(formatFaults([fault!], project.dir)).toBe(
      `lib/port.ts: 1 fault\n  ✗ lib/port.ts:3 ${fault!.message}`,
    );
  });

  it("hides a key that the config's own error quotes", async () => {
    vi.stubEnv("SOME_API_KEY", "sk-canary-1");
    const project = await createProject({
      "gateway.config.ts": `throw new Error("bad key " + process.env.SOME_API_KEY);\nexport default {};`,
    });
    expect((await refused(project))[0]).toMatchObject({ line: 1, message: "bad key [secret]" });
  });

  it("tells a missing import with the file that wants it", async () => {
    const project = await createProject({
      "gateway.config.ts": `import { a } from "./lib/a.ts";\nexport default { a };`,
      "lib/a.ts": `import { a } from "./nosuch.ts";\nexport { a };`,
    });
    expect((await refused(project))[0]).toMatchObject({
      file: project.path("lib/a.ts"),
      message: "cannot find file ./nosuch.ts",
    });
    await project.write("lib/a.ts", `import a from "no-such-package";\nexport { a };`);
    expect((await refused(project))[0]).toMatchObject({
      file: project.path("lib/a.ts"),
      message: "cannot find package no-such-package",
    });
  });

  it("tells a file without default export what to write", async () => {
    const project = await createProject({ "gateway.config.ts": `export const config = {};` });
    expect((await refused(project))[0]).toMatchObject({
      message: "the config must be an object, got nothing",
      hint: "Write `export default defineGatewayConfig({ … })`.",
    });
  });

  it("takes what a file of CommonJS exports", async () => {
    const project = await createProject({
      "package.json": `{ "type": "commonjs" }`,
      "gateway.config.js": `module.exports = { backends: { local: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"] } } };`,
    });
    expect((await loaded(project)).backends.map(({ name }) => name)).toEqual(["local"]);
  });

  it("tells an empty file", async () => {
    const project = await createProject({ "gateway.config.yaml": "# nothing yet\n" });
    expect((await refused(project))[0]!.message).toBe("the config must be an object, got nothing");
  });

  it("takes a folder for the config that is in it", async () => {
    const project = await createProject({ "deploy/gateway.config.yaml": DATA.yaml });
    vi.stubEnv("LOCAL_KEY", "k");
    await project.write(
      "deploy/adapters/plain.ts",
      await readFile(project.path("adapters/plain.ts"), "utf8"),
    );
    expect((await loaded(project, { file: "deploy" })).file).toBe(project.path("deploy/gateway.config.yaml"));
    const [fault] = await refused(project, { file: "adapters" });
    expect(fault!.message).toContain("adapters/gateway.config.ts");
  });

  it("tells where a config was looked for, and how to make one", async () => {
    const project = await createProject();
    const [fault] = await refused(project);
    expect(fault!.message).toContain(`no config was found in ${project.dir}`);
    for (const name of [
      "gateway.config.ts",
      "gateway.config.toml",
      ".config/gateway.ts",
      "config/gateway.yaml",
    ]) {
      expect(fault!.message).toContain(name);
    }
    expect(fault!.hint).toContain("npm create gateway");
    const [named] = await refused(project, { file: "other.ts" });
    expect(named!.message).toContain("looked for other.ts");
  });
});

describe("environment", () => {
  it("co-2: .env and .env.local are read, the later one wins, the environment wins over both", async () => {
    vi.stubEnv("GATEWRIGHT_TEST_REAL", "real");
    const project = await createProject({
      "gateway.config.ts": `
        export default {
          backends: { local: { adapter: "plain", baseURL: "http://127.0.0.1:1", models: [
            process.env.GATEWRIGHT_TEST_A, process.env.GATEWRIGHT_TEST_B, process.env.GATEWRIGHT_TEST_REAL,
          ] } },
        };`,
      ".env": "GATEWRIGHT_TEST_A=one\nGATEWRIGHT_TEST_B=one\nGATEWRIGHT_TEST_REAL=file\n",
      ".env.local": `GATEWRIGHT_TEST_B=two-\${GATEWRIGHT_TEST_A}\n`,
    });
    expect((await loaded(project)).backends[0]!.models).toEqual(["one", "two-one", "real"]);
    await project.write(".env", "");
    await project.write(".env.local", "GATEWRIGHT_TEST_A=three\n");
    const faults = await refused(project);
    expect(faults.map(({ path }) => path)).toEqual(["backends.local.models[1]"]);
    await project.write(".env.local", "");
    await refused(project);
    expect(process.env["GATEWRIGHT_TEST_A"]).toBeUndefined();
  });

  it("co-2: any scalar is set by its path, over the file and its layers; flags win", async () => {
    vi.stubEnv("GATEWRIGHT_SERVER_PORT", "9100");
    vi.stubEnv("GATEWRIGHT_SERVER_LIMITS_JSON_BYTES", "1_000");
    vi.stubEnv("GATEWRIGHT_BACKENDS_LOCAL_BASE_URL", "http://127.0.0.1:2/v1");
    vi.stubEnv("GATEWRIGHT_BACKENDS_LOCAL_API_KEY", "sk-canary");
    vi.stubEnv("GATEWRIGHT_BACKENDS_LOCAL_TIMEOUTS_IDLE_MS", "7");
    vi.stubEnv("GATEWRIGHT_LOG_REQUESTS", "off");
    const project = await createProject({
      "gateway.config.ts": configSource("$production: { server: { port: 5 } },"),
    });
    const config = await loaded(project);
    expect(config.server.port).toBe(9100);
    expect(config.server.limits.jsonBytes).toBe(1000);
    expect(config.log.requests).toBe(false);
    expect(config.backends[0]!.baseURL.href).toBe("http://127.0.0.1:2/v1");
    expect(config.backends[0]!.timeouts).toMatchObject({ idleMs: 7, connectMs: 5000 });
    expect(revealSecret(config.backends[0]!.apiKey!)).toBe("sk-canary");
    expect(inspect(config, { depth: 20 }) + JSON.stringify(config.backends[0]!.apiKey)).not.toContain(
      "sk-canary",
    );
    expect((await loaded(project, { overrides: { port: 1, host: "::1", workers: 2 } })).server).toMatchObject(
      {
        port: 1,
        host: "::1",
        workers: 2,
      },
    );
  });

  it.each([
    ["[::1]", "::1"],
    ["[fe80::1%eth0]", "fe80::1%eth0"],
    ["::", "::"],
    ["localhost", "localhost"],
    ["[name]", "[name]"],
  ])("takes the host %s of a flag, a variable and a file for %s", async (given, host) => {
    const project = await createProject({
      "gateway.config.json": JSON.stringify({ backends: {}, server: { host: given } }),
    });
    expect((await loaded(project)).server.host).toBe(host);
    expect((await loaded(project, { overrides: { host: given } })).server.host).toBe(host);
    vi.stubEnv("GATEWRIGHT_SERVER_HOST", given);
    await project.write("gateway.config.json", `{ "backends": {} }`);
    expect((await loaded(project)).server.host).toBe(host);
  });

  it("names the variable behind a fault", async () => {
    vi.stubEnv("GATEWRIGHT_SERVER_PORT", "eighty");
    const [fault] = await refused(await createProject({ "gateway.config.ts": configSource("") }));
    expect(fault).toMatchObject({
      path: "server.port",
      message: "server.port must be a number, got a string of 6 characters",
      hint: "It is set by the environment variable GATEWRIGHT_SERVER_PORT.",
    });
  });

  it("warns about a variable that sets nothing, with the nearest one, but not when the config reads it", async () => {
    vi.stubEnv("GATEWRIGHT_SERVER_PROT", "9100");
    vi.stubEnv("GATEWRIGHT_OWN_KEY", "sk-canary");
    const source = configSource(
      `$production: { backends: { local: { apiKey: env("GATEWRIGHT_OWN_KEY") } } },`,
    );
    const project = await createProject({ "gateway.config.ts": source });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(result.warnings).toEqual([
      "GATEWRIGHT_SERVER_PROT sets nothing; did you mean GATEWRIGHT_SERVER_PORT?",
    ]);
  });

  for (const [name, value, pick, expected] of [
    ["HOST", "127.0.0.3", (config: ResolvedConfig) => config.server.host, "127.0.0.3"],
    ["PORT", "9200", (config: ResolvedConfig) => config.server.port, 9200],
    ["REQUEST_TIMEOUT", "12", (config: ResolvedConfig) => config.timeouts.totalMs, 12_000],
    ["CONNECT_TIMEOUT", "3", (config: ResolvedConfig) => config.timeouts.connectMs, 3000],
    ["LOG_LEVEL", "debug", (config: ResolvedConfig) => config.log.level, "debug"],
  ] as const) {
    it(`co-2: GATEWRIGHT_${name} sets what it says`, async () => {
      vi.stubEnv(`GATEWRIGHT_${name}`, value);
      expect(pick(await loaded(await createProject({ "gateway.config.ts": configSource("") })))).toBe(
        expected,
      );
    });
  }

  it("co-2: the path form beats the short name, with a warning when they differ", async () => {
    vi.stubEnv("GATEWRIGHT_PORT", "9300");
    vi.stubEnv("GATEWRIGHT_SERVER_PORT", "9400");
    const project = await createProject({ "gateway.config.ts": configSource("") });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(result.ok && result.config.server.port).toBe(9400);
    expect(result.warnings).toEqual([
      "GATEWRIGHT_SERVER_PORT and GATEWRIGHT_PORT differ; GATEWRIGHT_SERVER_PORT holds",
    ]);
  });

  it("G8: a missing variable is a fault with path and name; a placeholder is never a key", async () => {
    const project = await createProject({
      "gateway.config.ts": configSource(
        `$production: { backends: { local: { apiKey: env("NO_SUCH_KEY") } } }, plugins: [locked({ key: env("NO_OTHER_KEY") })],`,
        `const options = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };
         const locked = defineGatewayPlugin({ name: "locked", options, setup: () => ({}) });`,
      ),
    });
    expect((await refused(project)).map(({ message }) => message)).toEqual([
      "$production.backends.local.apiKey: the environment variable NO_SUCH_KEY is not set",
      "plugins[0].locked.key: the environment variable NO_OTHER_KEY is not set",
    ]);
    const yaml = await createProject({ "gateway.config.yaml": DATA.yaml });
    expect((await refused(yaml)).map(({ message }) => message)).toEqual([
      "backends.local.apiKey: the environment variable LOCAL_KEY is not set",
    ]);
    const literal = await createProject({
      "gateway.config.ts": configSource(`$production: { backends: { local: { apiKey: "\${LOCAL_KEY}" } } },`),
    });
    expect((await refused(literal))[0]).toMatchObject({
      path: "$production.backends.local.apiKey",
      received: "a placeholder that nothing fills",
      hint: 'Write `env("LOCAL_KEY")`.',
    });
  });
});

describe("reload", () => {
  for (const type of ["module", "commonjs"]) {
    for (const extension of ["ts", "mjs", "js"]) {
      it(`evaluates the config and its imports anew: ${extension} in a ${type} project`, async () => {
        const project = await createProject({
          "package.json": JSON.stringify({ type }),
          [`gateway.config.${extension}`]: `
            import { port } from "./lib/port.${extension}";
            import limits from "./limits.json";
            export default { backends: {}, server: { port, limits } };`,
          [`lib/port.${extension}`]: `export { port } from "./deeper.${extension}";`,
          [`lib/deeper.${extension}`]: `export const port = 1111;`,
          "limits.json": `{ "jsonDepth": 5 }`,
        });
        const before = await loadGatewayConfig({ cwd: project.dir });
        expect(before.ok && [before.config.server.port, before.config.server.limits.jsonDepth]).toEqual([
          1111, 5,
        ]);
        for (const name of [
          `gateway.config.${extension}`,
          `lib/port.${extension}`,
          `lib/deeper.${extension}`,
          "limits.json",
          ".env",
          ".env.local",
          "adapters",
          "adapters/plain.ts",
        ]) {
          expect(before.sources).toContain(project.path(name));
        }
        await project.write(`lib/deeper.${extension}`, "export const port = 2222;");
        await project.write("limits.json", `{ "jsonDepth": 6 }`);
        const after = await loadGatewayConfig({ cwd: project.dir });
        expect(after.ok && [after.config.server.port, after.config.server.limits.jsonDepth]).toEqual([
          2222, 6,
        ]);
      });
    }
  }

  for (const [name, content] of [
    ["part.json", (port: number) => `{ "port": ${port} }`],
    ["part.cjs", (port: number) => `module.exports = { port: ${port} };`],
    [
      "part.js",
      (port: number) => `import { port } from "./deeper.js"; export default { port: port + ${port} };`,
    ],
    ["part.ts", (port: number) => `export default { port: ${port} };`],
  ] as const) {
    it(`evaluates anew what a link leads to, and finds its imports there: ${name}`, async () => {
      const project = await createProject({
        "package.json": `{ "type": "module" }`,
        "gateway.config.ts": `
          import part from "./${name}";
          export default { backends: {}, server: { port: part.port } };`,
        [`real/${name}`]: content(1111),
        "real/deeper.js": "export const port = 0;",
      });
      await symlink(project.path(`real/${name}`), project.path(name));
      const before = await loadGatewayConfig({ cwd: project.dir });
      expect(before).toMatchObject({ ok: true, config: { server: { port: 1111 } } });
      expect(before.sources).toContain(project.path(name));
      await project.write(`real/${name}`, content(2222));
      const after = await loadGatewayConfig({ cwd: project.dir });
      expect(after).toMatchObject({ ok: true, config: { server: { port: 2222 } } });
    });
  }

  it("takes a base by a link that the config imports too", async () => {
    const project = await createProject({
      "gateway.config.ts": `
        import base from "./base.ts";
        export default { extends: "./base.ts", server: { port: base.server.port + 1 } };`,
      "real/base.ts": `export default { backends: {}, server: { port: 1111, workers: 2 } };`,
    });
    await symlink(project.path("real/base.ts"), project.path("base.ts"));
    const loaded = await loadGatewayConfig({ cwd: project.dir });
    expect(loaded).toMatchObject({ ok: true, config: { server: { port: 1112, workers: 2 } } });
  });

  it.each(["circle.json", "nowhere.json"])("refuses a base that is a link to %s", async (target) => {
    const project = await createProject({ "gateway.config.json": `{ "extends": "./circle.json" }` });
    await symlink(target, project.path("circle.json"));
    const [fault] = await refused(project);
    expect(fault).toMatchObject({ path: "extends", received: "a link that leads to no file" });
  });

  it("passes over a `.env.local` that is a link to itself", async () => {
    const project = await createProject({ "gateway.config.ts": configSource(""), ".env": "LINKED_PORT=1" });
    await symlink(".env.local", project.path(".env.local"));
    await loaded(project);
    expect(process.env["LINKED_PORT"]).toBe("1");
  });

  it("keeps packages one instance", async () => {
    const project = await createProject({
      "gateway.config.ts": `
        import { id } from "counted";
        export default { backends: {}, server: { port: id } };`,
      "node_modules/counted/package.json": `{ "name": "counted", "type": "module", "exports": "./index.js" }`,
      "node_modules/counted/index.js": `globalThis.gatewrightCounted = (globalThis.gatewrightCounted ?? 0) + 1; export const id = globalThis.gatewrightCounted;`,
    });
    expect((await loaded(project)).server.port).toBe(1);
    expect((await loaded(project)).server.port).toBe(1);
    expect((globalThis as { gatewrightCounted?: number }).gatewrightCounted).toBe(1);
  });

  it("keeps the sources of a file that has a fault, so that its repair is seen", async () => {
    const project = await createProject({
      "gateway.config.ts": `import { port } from "./lib/port.ts"; export default { port };`,
      "lib/port.ts": `export const port = ;`,
    });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(result.ok).toBe(false);
    expect(result.sources).toEqual(
      expect.arrayContaining([project.path("gateway.config.ts"), project.path("lib/port.ts")]),
    );
  });
});

describe("parts that nothing can be made of", () => {
  const proto = [
    ["json", `{ "backends": {}, "server": { "__proto__": { "port": 1 } } }`, "server.__proto__"],
    ["json", `{ "backends": {}, "__proto__": { "x": 1 } }`, "__proto__"],
    [
      "json",
      `{ "backends": {}, "plugins": [{ "name": "x", "options": { "__proto__": 1 } }] }`,
      "plugins[0].options.__proto__",
    ],
    ["yaml", `backends: { __proto__: { adapter: plain } }`, "backends.__proto__"],
    ["toml", `[backends]\n[server.__proto__]\nport = 1`, "server.__proto__"],
  ] as const;
  it.each(proto)("J5: refuses `__proto__` in %s, with its place: %s", async (extension, text, path) => {
    const faults = await refused(await createProject({ [`gateway.config.${extension}`]: text }));
    const message = `${path} must be another name, got \`__proto__\``;
    expect(faults).toEqual([expect.objectContaining({ path, message })]);
  });

  it.each([
    [
      "yaml",
      "backends: &a\n  b: *a\n",
      "backends.b must be a value of its own, got an object that it is part of",
    ],
    [
      "ts",
      "const all: unknown[] = [];\nall.push(all);\nexport default { backends: {}, plugins: all };",
      "plugins[0] must be a value of its own, got a list of 1 that it is part of",
    ],
  ])("refuses what stands within itself, in %s", async (extension, text, message) => {
    const faults = await refused(await createProject({ [`gateway.config.${extension}`]: text }));
    expect(faults).toMatchObject([{ message }]);
  });

  it.each([
    [`export default {\n  get backends() {\n    throw new Error("no list today");\n  },\n};`, 3],
    [
      `export default { backends: {}, server: {\n  get port() { throw new Error("no list today"); },\n} };`,
      2,
    ],
    [`export default new Proxy({}, {\n  get() { throw new Error("no list today"); },\n});`, 2],
  ])("to-2: tells in one line what a getter throws, with its place: %s", async (source, line) => {
    const project = await createProject({ "gateway.config.ts": source });
    expect(await refused(project)).toEqual([
      expect.objectContaining({ file: project.path("gateway.config.ts"), line, message: "no list today" }),
    ]);
  });

  it.each([
    ["new Map()", "an object of the class Map"],
    ["Object.create(null)", "an object with another prototype"],
    ["{ __proto__: { backends: {} } }", "an object with another prototype"],
  ])("to-2: says which object %s is", async (expression, received) => {
    const project = await createProject({ "gateway.config.ts": `export default ${expression};` });
    expect(await refused(project)).toMatchObject([
      { message: `the config must be an object, got ${received}` },
    ]);
  });

  it.each([
    ["null", "null was thrown"],
    ["undefined", "nothing was thrown"],
    [`"no list today"`, "no list today"],
    ["{ list: [] }", "an object was thrown"],
    ["Object.create(null)", "an object with another prototype was thrown"],
  ])("to-2: says that a config throws %s", async (thrown, message) => {
    const project = await createProject({ "gateway.config.ts": `throw ${thrown};` });
    expect(await refused(project)).toMatchObject([{ message }]);
  });

  it("to-2: refuses a layer by name that is none, and a package that is no name", async () => {
    vi.stubEnv("LOCAL_KEY", "k");
    const layer = `${DATA.yaml}$env: { production: 5, staging: {} }\n`;
    expect(await refused(await createProject({ "gateway.config.yaml": layer }))).toMatchObject([
      { message: "$env.production must be an object, got 5" },
    ]);
    const plugin = `${DATA.yaml}plugins: [{ name: retry, package: 5 }, { name: retry, package: "" }]\n`;
    expect(await refused(await createProject({ "gateway.config.yaml": plugin }))).toMatchObject([
      { message: "plugins[0].package must be the name of a package, got 5" },
      { message: "plugins[1].package must be the name of a package, got an empty string" },
    ]);
  });

  it("to-2: refuses sections that are objects of another kind, and promises that nobody awaited", async () => {
    const source = `
      const local = { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"], apiKey: Promise.resolve("k") };
      export default { backends: { local } };`;
    expect(await refused(await createProject({ "gateway.config.ts": source }))).toMatchObject([
      { message: "backends.local.apiKey must be a value, got a promise", hint: "Await it." },
    ]);
    const sections = `server: new Map([["port", 1]]), log: new Date(0), timeouts: [],`;
    expect(await refused(await createProject({ "gateway.config.ts": configSource(sections) }))).toMatchObject(
      [
        { message: "server must be an object, got an object of the class Map" },
        { message: "log must be an object, got an object of the class Date" },
        { message: "timeouts must be an object, got an empty list" },
      ],
    );
  });
});
