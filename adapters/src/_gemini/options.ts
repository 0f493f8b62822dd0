import * as v from "valibot";
import { ExtraHeaders } from "../_extra-headers.ts";

/** One threshold of https://ai.google.dev/gemini-api/docs/safety-settings. */
const SafetySetting = v.strictObject({
  /** E.g. `HARM_CATEGORY_HARASSMENT`. */
  category: v.pipe(v.string(), v.startsWith("HARM_CATEGORY_")),
  /** From which probability on content is blocked. */
  threshold: v.picklist([
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
  ]),
});

/** Options of every backend that serves Gemini models, whichever host they stand on. */
export const generationOptions = {
  /** What is blocked, for requests that bring no `safetySettings` of their own. Absent: the vendor's defaults. */
  safetySettings: v.optional(v.array(SafetySetting)),
  /**
   * Whether summaries of the model's thoughts are asked for, as `reasoning_content`. Absent: for requests with a
   * `reasoning_effort`.
   */
  includeThoughts: v.optional(v.boolean()),
};

export const GeminiOptions = v.strictObject({
  ...generationOptions,
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});
/** The settings that the mappings read. */
export type GeminiSettings = v.InferOutput<v.StrictObjectSchema<typeof generationOptions, undefined>>;
