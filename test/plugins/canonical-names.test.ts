import { describe, expect, it } from "vitest";
import { canonicalNames } from "@gatewright/canonical-names";
import { STARTER_TABLE } from "../../plugins/canonical-names/src/starter-table.ts";
import { chat, MODEL, openaiAt, simulated, startStage } from "../e2e/_stage.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "canonical-names", factory: "canonicalNames", create: () => canonicalNames() });

describe("mo-7: canonical names", () => {
  it("both names reach one backend, each under its own name there, and both are listed", async () => {
    const local = await simulated({ models: ["gpt-oss:20b"] });
    const stage = await startStage({
      backends: { local: openaiAt(local, { models: ["gpt-oss:20b"], vendorPrefixes: [] }) },
      plugins: [canonicalNames()],
    });
    for (const model of ["openai/gpt-oss-20b", "gpt-oss:20b"]) {
      const reply = await chat(stage, { model });
      expect([reply.status, await reply.json()]).toMatchObject([200, { model }]);
      expect(local.requests.at(-1)!.json).toMatchObject({ model: "gpt-oss:20b" });
    }
    const list = (await (await fetch(`${stage.url}/v1/models`)).json()) as {
      data: Record<string, unknown>[];
    };
    expect(list.data.map(({ id, canonical_name: name, aliases }) => [id, name, aliases])).toEqual([
      ["gpt-oss:20b", "openai/gpt-oss-20b", []],
      ["openai/gpt-oss-20b", "openai/gpt-oss-20b", ["gpt-oss:20b"]],
    ]);
  });

  it("own rows win, and the starter table can be left out", async () => {
    const backend = await simulated({ models: [MODEL, "gpt-oss:20b"] });
    const backends = { main: openaiAt(backend, { models: [MODEL, "gpt-oss:20b"] }) };
    const own = await startStage({
      backends,
      plugins: [canonicalNames({ names: { "openai/gpt-oss-20b": [MODEL] } })],
    });
    await chat(own, { model: "openai/gpt-oss-20b" });
    expect(backend.requests.at(-1)!.json).toMatchObject({ model: MODEL });
    const bare = await startStage({ backends, plugins: [canonicalNames({ starterTable: false })] });
    expect((await chat(bare, { model: "openai/gpt-oss-20b" })).status).toBe(404);
  });

  it("no name of the starter table stands in two rows", () => {
    const names = Object.entries(STARTER_TABLE).flat(2);
    expect(new Set(names).size).toBe(names.length);
  });
});
