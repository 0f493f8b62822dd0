import { defineAdapter } from "gatewright";
import type { Adapter, Requiring } from "gatewright";
import * as v from "valibot";
import { FOREIGN_ITEMS } from "./_openai/foreign-items.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { FamilyOptions } from "./_openai/options.ts";

export const OpenaiCompatibleOptions = v.strictObject({
  ...FamilyOptions.entries,
  /**
   * How `/v1/responses` is served: `bridged` through chat, which every such server has, or `native` by the server's own
   * `/responses`. @default "bridged"
   */
  responses: v.optional(v.picklist(["bridged", "native"]), "bridged"),
});

const family: FamilyAdapter = openaiFamily({
  name: "openai-compatible",
  has: [
    "completions",
    "embeddings",
    "rerank",
    "speech",
    "transcription",
    "translation",
    "imageGeneration",
    "imageEdit",
    "imageVariation",
    "moderation",
  ],
});

/** Any server with OpenAI's API: `baseURL` is the folder of the API, with its `/v1` where it has one. */
const openaiCompatible: Requiring<
  Adapter<typeof OpenaiCompatibleOptions>,
  { baseURL: string }
> = defineAdapter({
  ...family,
  options: OpenaiCompatibleOptions,
  operations: {
    ...family.operations,
    responses: {
      path: PATHS.responses,
      serves: (_model, { responses }) => responses === "native",
      foreign: FOREIGN_ITEMS,
    },
  },
});

export default openaiCompatible;
