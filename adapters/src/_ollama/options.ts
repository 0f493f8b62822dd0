import { wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";
import * as v from "valibot";
import { drop, forward, is, isEmpty, refuse, report, translate } from "gatewright";
import type { FieldRule, FieldTable } from "gatewright";
import { compact, isJsonObject } from "gatewright";
import { ExtraHeaders } from "../_extra-headers.ts";

export const OllamaOptions = v.strictObject({
  /**
   * How long a model stays loaded after a request: a duration such as `"30m"`, or seconds; 0 unloads it at once, a
   * negative one keeps it. The request's own `keep_alive` wins. Absent: the server decides.
   */
  keepAlive: v.optional(v.union([v.string(), v.number()])),
  /** Context length in tokens (`num_ctx`), where the request names none. Absent: the server decides. */
  numCtx: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  /** Whether or how hard a reasoning model thinks, where the request does not say. Absent: the model decides. */
  think: v.optional(v.union([v.boolean(), v.picklist(["low", "medium", "high", "max"])])),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});
export type OllamaSettings = v.InferOutput<typeof OllamaOptions>;

/** The engine's parameters under their own names, which clients may also give at the top level. */
const ENGINE_PARAMETERS = [
  "num_ctx",
  "num_predict",
  "num_keep",
  "num_batch",
  "num_gpu",
  "main_gpu",
  "num_thread",
  "use_mmap",
  "top_k",
  "min_p",
  "typical_p",
  "repeat_last_n",
  "repeat_penalty",
] as const;

/** Request fields that become members of `options`, in order of precedence. */
const PARAMETERS: readonly (readonly [field: string, parameter: string])[] = [
  ["max_completion_tokens", "num_predict"],
  ["max_tokens", "num_predict"],
  ["temperature", "temperature"],
  ["top_p", "top_p"],
  ["seed", "seed"],
  ["stop", "stop"],
  ["presence_penalty", "presence_penalty"],
  ["frequency_penalty", "frequency_penalty"],
  ...ENGINE_PARAMETERS.map((name) => [name, name] as const),
];

/** Fates that chat and completions share. */
export const generationFields: FieldTable = {
  model: translate("the model's name at the backend"),
  stream: translate("always sent, since Ollama streams unless told not to"),
  stream_options: translate(
    "usage always comes with the last line; obfuscation is left out and reported",
    isEmpty,
  ),
  options: translate(
    "merged into `options`; wins over the field of the same meaning, which is then reported",
  ),
  ...Object.fromEntries(
    // A stop list of the request replaces the model's own, so that an empty one must not be sent.
    PARAMETERS.map(([field, parameter]): [string, FieldRule] => [
      field,
      translate(`\`options.${parameter}\``, field === "stop" ? isEmpty : undefined),
    ]),
  ),
  keep_alive: forward("a field of Ollama's own"),
  n: refuse("Ollama gives one choice a request", is(1)),
  logit_bias: refuse("Ollama has no bias by token", isEmpty),
  user: drop("Ollama knows no end users", isEmpty),
};

/** The `options` of Ollama: the backend's defaults, then the fields, then the client's own `options`. */
export function toParameters(
  fields: JsonObject,
  settings: OllamaSettings,
  dropped: Set<string>,
): JsonObject | undefined {
  const given = fields["options"] ?? {};
  if (!isJsonObject(given)) throw wrongShape("options", "an object", given);
  const parameters = compact(given);
  for (const [field, parameter] of PARAMETERS) {
    if (!Object.hasOwn(fields, field)) continue;
    const value = field === "stop" && typeof fields[field] === "string" ? [fields[field]] : fields[field];
    if (!Object.hasOwn(parameters, parameter)) parameters[parameter] = value;
    else if (parameters[parameter] !== value) report(dropped, field);
  }
  if (settings.numCtx !== undefined) parameters["num_ctx"] ??= settings.numCtx;
  return isEmpty(parameters) ? undefined : parameters;
}
