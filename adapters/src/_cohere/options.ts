import * as v from "valibot";

export const CohereOptions = v.strictObject({
  /**
   * What embeddings are for, where the request has no `input_type`; Cohere asks for it. Searches should say
   * `search_query`. @default "search_document"
   */
  inputType: v.optional(
    v.picklist(["search_document", "search_query", "classification", "clustering"]),
    "search_document",
  ),
});
export type CohereSettings = v.InferOutput<typeof CohereOptions>;
