import { anthropicApi } from "@gatewright/anthropic-api";
import { batch } from "@gatewright/batch";
import { files } from "@gatewright/files";
import { geminiApi } from "@gatewright/gemini-api";
import { mcp } from "@gatewright/mcp";
import { realtime } from "@gatewright/realtime";
import { responsesStore } from "@gatewright/responses-store";
import { websocketApi } from "@gatewright/websocket-api";
import { defineGatewayPlugin, type Plugin } from "gatewright";
import * as v from "valibot";
import { expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

const BACKENDS = { main: { adapter: "openai", baseURL: "http://127.0.0.1:1/v1", models: ["m"] } };

/** Names of the operations that a gateway with these plugins has. */
async function operationsWith(plugins: readonly Plugin[]): Promise<string[]> {
  let names: string[] = [];
  const witness = defineGatewayPlugin({
    name: "witness",
    options: v.strictObject({}),
    setup(_, { operations }) {
      names = [...operations.keys()];
      return {};
    },
  });
  await using _ = await startTestGateway({ backends: BACKENDS, plugins: [...plugins, witness()] });
  return names;
}

it.each([anthropicApi(), batch(), files(), geminiApi(), mcp(), realtime(), responsesStore(), websocketApi()])(
  "$name says which operations it adds",
  async (plugin) => {
    const core = await operationsWith([]);
    const all = await operationsWith([plugin]);
    expect(all.filter((name) => !core.includes(name)).toSorted()).toEqual(
      [...plugin.definition.operations!].toSorted(),
    );
  },
);
