import { defineAdapter } from "gatewright";
import type { Adapter, OperationMapping, Requiring } from "gatewright";
import * as v from "valibot";
import { ExtraHeaders, toSentHeaders } from "./_extra-headers.ts";
import { ERROR_MEMBERS, errorInBody } from "./_openai/errors.ts";
import { FOREIGN_ITEMS } from "./_openai/foreign-items.ts";
import { FOREIGN_MEMBERS } from "./_openai/messages.ts";
import { PATHS } from "./_openai/family.ts";
import { KNOWN_EFFORTS } from "./_reasoning-efforts.ts";

export const AzureOptions = v.strictObject({
  /** Name of the resource: `https://<resource>.openai.azure.com`. Or say `baseURL`, the endpoint without a path. */
  resource: v.optional(v.pipe(v.string(), v.regex(/^[a-z\d][a-z\d-]*$/i, "the name of a resource"))),
  /** `v1`, or a dated version of the classic API, which has the deployment in its paths. @default "v1" */
  apiVersion: v.optional(
    v.pipe(v.string(), v.regex(/^(?:v1|\d{4}-\d\d-\d\d(?:-preview)?)$/, 'must be "v1" or a dated version')),
    "v1",
  ),
  /** How `apiKey` is sent: as `api-key`, or as the Entra ID token that it is. @default "api-key" */
  credential: v.optional(v.picklist(["api-key", "bearer"]), "api-key"),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});
type Address = { resource: string } | { baseURL: string };
type AzureSettings = v.InferOutput<typeof AzureOptions>;

/** Operations that the classic API has beneath a deployment. */
const DEPLOYED = [
  "chat",
  "completions",
  "embeddings",
  "speech",
  "transcription",
  "translation",
  "imageGeneration",
  "imageEdit",
] as const;

/**
 * Azure OpenAI, a deployment's name for the model's. Chunks with `choices: []` hold what its filter says of the prompt and
 * pass as they are (https://learn.microsoft.com/azure/ai-foundry/openai/reference). Its list is of the models that might be
 * deployed, not of deployments: a probe that costs nothing, and no more.
 */
const azure: Requiring<Adapter<typeof AzureOptions>, Address> = defineAdapter({
  name: "azure",
  provider: "azure",
  options: AzureOptions,
  // Without a resource there is no address, and the config is told so.
  baseURL: ({ resource }) => (resource === undefined ? "" : `https://${resource}.openai.azure.com`),
  auth(apiKey, { credential }): Record<string, string> {
    if (apiKey === undefined) return {};
    return credential === "bearer" ? { authorization: `Bearer ${apiKey}` } : { "api-key": apiKey };
  },
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    ...Object.fromEntries(DEPLOYED.map((operation) => [operation, deployed(operation)])),
    responses: { path: atResource(PATHS.responses), foreign: FOREIGN_ITEMS },
    files: { path: atResource(PATHS.files) },
    batches: { path: atResource(PATHS.batches) },
    realtime: {
      path: ({ model, options: { apiVersion } }) => {
        const name = encodeURIComponent(model);
        return apiVersion === "v1"
          ? `/openai/v1/realtime?model=${name}`
          : `/openai/realtime?api-version=${apiVersion}&deployment=${name}`;
      },
    },
  },
  reasoningEfforts: KNOWN_EFFORTS,
  vendorPrefixes: ["azure"],
  health: { path: "/openai/v1/models" },
  errorInReply: errorInBody,
  errorMembers: ERROR_MEMBERS,
});

export default azure;

/** What the classic API has outside of deployments. */
function atResource(path: string): OperationMapping<AzureSettings>["path"] {
  return ({ options: { apiVersion } }) =>
    apiVersion === "v1" ? `/openai/v1${path}` : `/openai${path}?api-version=${apiVersion}`;
}

function deployed(operation: (typeof DEPLOYED)[number]): OperationMapping<AzureSettings> {
  const path = PATHS[operation];
  return {
    path: ({ model, options: { apiVersion } }) =>
      apiVersion === "v1"
        ? `/openai/v1${path}`
        : `/openai/deployments/${encodeURIComponent(model)}${path}?api-version=${apiVersion}`,
    ...((operation === "chat" || operation === "completions") && { streamUsage: true }),
    // https://learn.microsoft.com/azure/ai-foundry/openai/how-to/embeddings
    ...(operation === "embeddings" && { maxInputs: 2048 }),
    ...(operation === "chat" && { foreign: FOREIGN_MEMBERS }),
  };
}
