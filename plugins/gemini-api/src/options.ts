import * as v from "valibot";

/** There is nothing to choose. */
export const GeminiApiOptions = v.strictObject({});
