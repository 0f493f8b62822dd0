import * as v from "valibot";
import { claudeOptions } from "../_anthropic/options.ts";
import { ExtraHeaders } from "../_extra-headers.ts";
import { generationOptions } from "../_gemini/options.ts";

/** A name that stands in paths and host names as it is. */
const Id = v.pipe(v.string(), v.regex(/^[a-z0-9](?:[a-z0-9.:-]*[a-z0-9])?$/, "an id of Google Cloud"));

export const VertexOptions = v.strictObject({
  /** Id of the Google Cloud project. Absent: express mode, whose API keys know their project. */
  project: v.optional(Id),
  /** A region such as `europe-west4`, a multi-region (`us`, `eu`), or `global`. @default "global" */
  location: v.optional(Id, "global"),
  /**
   * What `apiKey` is: the JSON of a service account, an access token that somebody else renews, or an API key. Absent:
   * told by its shape.
   */
  credential: v.optional(v.picklist(["serviceAccount", "accessToken", "apiKey"])),
  /** Whose models the backend serves. Absent: told by their names, `claude-*` being Anthropic's. */
  publisher: v.optional(v.picklist(["google", "anthropic"])),
  /** `anthropic_version` of requests to Claude that name none. @default "vertex-2023-10-16" */
  anthropicVersion: v.optional(v.string(), "vertex-2023-10-16"),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
  ...generationOptions,
  ...claudeOptions,
});
export type VertexSettings = v.InferOutput<typeof VertexOptions>;
