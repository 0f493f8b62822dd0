import { isSecret } from "gatewright";
import type { Secret } from "gatewright";
import * as v from "valibot";
import { claudeOptions } from "../_anthropic/options.ts";
import { ExtraHeaders } from "../_extra-headers.ts";

const Credential = v.union([
  v.pipe(v.string(), v.nonEmpty()),
  v.custom<Secret>(isSecret, "a string or a secret"),
]);

const REGION = "a region of AWS, such as `us-east-1`";

export const BedrockOptions = v.pipe(
  v.strictObject({
    /** Where the models run, e.g. `eu-central-1`: part of the URL, and of what is signed. */
    region: v.pipe(v.string(REGION), v.regex(/^[a-z]{2,}(?:-[a-z]+)+-\d+$/, REGION)),
    /** Access key that requests are signed with. Not needed with a Bedrock API key, which is the backend's `apiKey`. */
    accessKeyId: v.optional(Credential),
    /** The secret that goes with `accessKeyId`. */
    secretAccessKey: v.optional(Credential),
    /** Session token of temporary credentials. */
    sessionToken: v.optional(Credential),
    /** The guardrail of requests that name none in `guardrailConfig`. */
    guardrail: v.optional(
      v.strictObject({
        /** Id or ARN. */
        id: v.pipe(v.string(), v.nonEmpty()),
        /** A number, or `DRAFT`. */
        version: v.pipe(v.string(), v.nonEmpty()),
        /** Whether replies say, in `trace`, what the guardrail found. Absent: Bedrock decides. */
        trace: v.optional(v.picklist(["enabled", "disabled", "enabled_full"])),
      }),
    ),
    /** Thinking tokens of each `reasoning_effort`, for Claude models that think by a budget. */
    thinkingBudgets: claudeOptions.thinkingBudgets,
    /** What embeddings of Cohere's models are for, where the request has no `input_type`. @default "search_document" */
    inputType: v.optional(
      v.picklist(["search_document", "search_query", "classification", "clustering"]),
      "search_document",
    ),
    /** Further headers of every request to this backend; a value may be `env("NAME")`. */
    headers: v.optional(ExtraHeaders, {}),
  }),
  v.check(
    ({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined),
    "an object with both `accessKeyId` and `secretAccessKey`, or neither",
  ),
);
export type BedrockSettings = v.InferOutput<typeof BedrockOptions>;
