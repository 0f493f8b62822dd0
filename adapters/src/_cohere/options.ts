import * as v from "valibot";
import { ExtraHeaders } from "../_extra-headers.ts";

export const CohereOptions = v.strictObject({
  /**
   * What embeddings are for, where the request has no `input_type`; Cohere asks for it. Searches should say
   * `search_query`. @default "search_document"
   */
  inputType: v.optional(
    v.picklist(["search_document", "search_query", "classification", "clustering"]),
    "search_document",
  ),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});
export type CohereSettings = v.InferOutput<typeof CohereOptions>;
