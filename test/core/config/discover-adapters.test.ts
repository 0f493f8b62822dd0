import { describe, expect, it } from "vitest";
import { discoverAdapters } from "../../../core/src/config/discover-adapters.ts";
import { loadGatewayConfig } from "../../../core/src/config/load.ts";
import { createProject } from "./_project.ts";

function adapterSource(name: string, provider = name): string {
  return `
    import { defineAdapter } from "gatewright";
    export default defineAdapter({ name: "${name}", provider: "${provider}", auth: () => ({}), operations: {} });
  `;
}

describe("discoverAdapters", () => {
  it("finds the user's files by their default export and skips internal ones, and those of a package", async () => {
    const project = await createProject({
      "adapters/one.ts": adapterSource("one"),
      "adapters/two.mjs": adapterSource("two"),
      "adapters/three.js": adapterSource("three"),
      "adapters/_base.ts": `throw new Error("not to be read");`,
      "adapters/types.d.ts": `export {};`,
      "adapters/README.md": "#",
      "adapters/package.json": `{ "type": "module" }`,
      "adapters/package-lock.json": "{}",
      "adapters/tsconfig.json": `{ "extends": "../tsconfig.base.json" }`,
      "adapters/tsconfig.build.json": `{ "extends": "./tsconfig.json" }`,
    });
    const { adapters, names, faults } = await discoverAdapters(
      project.dir,
      new Set(["one", "three", "nosuch"]),
    );
    expect(faults).toEqual([]);
    expect([...adapters.keys()]).toEqual(["one", "three"]);
    expect(names).toEqual(expect.arrayContaining(["one", "plain", "three", "two"]));
  });

  it("prefers the user's adapter to a built-in one of the same name, and loads only what is used", async () => {
    const project = await createProject({ "adapters/mine.ts": adapterSource("openai", "mine") });
    const { adapters, names } = await discoverAdapters(project.dir, new Set(["openai", "ollama"]));
    expect(adapters.get("openai")!.provider).toBe("mine");
    expect(adapters.get("ollama")!.name).toBe("ollama");
    expect(adapters.size).toBe(2);
    expect(names.filter((name) => name === "openai")).toHaveLength(1);
  });

  it("tells of an adapter what it lacks, and what of it is of another type", async () => {
    const define = (members: string): string =>
      `const { defineAdapter } = require("gatewright"); module.exports = { default: defineAdapter(${members}) };`;
    const project = await createProject({
      "adapters/bare.js": define(`{ name: "bare" }`),
      "adapters/odd.js": define(
        `{ name: 5, provider: "", auth: {}, operations: { chat: "/chat", rerank: {} }, baseURL: 1, headers: {} }`,
      ),
    });
    const { faults, names } = await discoverAdapters(project.dir, new Set());
    expect(faults.map(({ file, message }) => [file.slice(project.dir.length + 1), message])).toEqual([
      ["adapters/bare.js", "provider is required: a string"],
      ["adapters/bare.js", "auth is required: a function"],
      ["adapters/bare.js", "operations is required: an object"],
      ["adapters/odd.js", "name must be a string, got 5"],
      ["adapters/odd.js", "provider must be not empty, got an empty string"],
      ["adapters/odd.js", "auth must be a function, got an object"],
      ["adapters/odd.js", "operations.chat must be an object, got a string of 5 characters"],
      ["adapters/odd.js", "operations.rerank.path is required: a path, or a function that gives one"],
      ["adapters/odd.js", "baseURL must be a URL, or a function that gives one, got 1"],
      ["adapters/odd.js", "headers must be a function, got an object"],
    ]);
    expect(names).not.toContain("bare");
  });

  it("reports broken files with their path, all of them, beside the config's own faults", async () => {
    const project = await createProject({
      "adapters/syntax.ts": `export default {\n  name: ;\n};`,
      "adapters/throws.mjs": `const nothing = undefined;\nexport default nothing.name;`,
      "adapters/empty.ts": `export const adapter = 1;`,
      "adapters/object.js": `export default { name: "object" };`,
      "gateway.config.json": `{ "backends": {}, "server": { "prot": 1 } }`,
    });
    const result = await loadGatewayConfig({ cwd: project.dir });
    if (result.ok) throw new Error("the config was accepted");
    expect(
      result.faults.map(({ file, line, message }) => [file.slice(project.dir.length + 1), line, message]),
    ).toEqual([
      ["gateway.config.json", undefined, "server.prot is not an option"],
      [
        "adapters/empty.ts",
        undefined,
        "the file must have a default export made by defineAdapter(), got no default export",
      ],
      [
        "adapters/object.js",
        undefined,
        "the file must have a default export made by defineAdapter(), got an object",
      ],
      ["adapters/syntax.ts", 2, "Unexpected token"],
      ["adapters/throws.mjs", 2, "Cannot read properties of undefined (reading 'name')"],
    ]);
    expect(result.sources).toContain(project.path("adapters/syntax.ts"));
  });

  it("takes an adapter with options of its own into the check", async () => {
    const project = await createProject({
      "adapters/regional.ts": `
        import { defineAdapter } from "gatewright";
        const options = { "~standard": { version: 1, vendor: "test", validate: (value) =>
          value.region === undefined ? { issues: [{ message: "a region", path: ["region"] }] } : { value } } };
        export default defineAdapter({ name: "regional", provider: "r", options, auth: () => ({}), operations: {} });`,
      "gateway.config.json": `{ "backends": { "far": { "adapter": "regional", "baseURL": "http://127.0.0.1:1", "models": ["m"] } } }`,
    });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(!result.ok && result.faults.map(({ message }) => message)).toEqual([
      "backends.far.region is required: a region",
    ]);
  });
});
