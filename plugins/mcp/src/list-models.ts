import * as v from "valibot";
import { readJson } from "./reply-json.ts";
import { defineTool } from "./tool.ts";

const Model = v.object({
  id: v.pipe(v.string(), v.description("The name to ask for it by")),
  operations: v.pipe(v.array(v.string()), v.description("What it can be asked for: chat, embeddings, …")),
  owned_by: v.string(),
  ready: v.pipe(v.boolean(), v.description("Some backend that serves it is available now")),
  max_input_tokens: v.nullable(v.number()),
  max_output_tokens: v.nullable(v.number()),
});

/** A model of `GET /v1/models`. */
interface ListedModel {
  id: string;
  supported_apis: string[];
  owned_by: string;
  ready: boolean;
  max_input_tokens: number | null;
  max_tokens: number | null;
}

export const listModels = defineTool({
  name: "list_models",
  title: "List models",
  description: "Lists the AI models that may be asked here, with what each can do.",
  input: v.strictObject({
    operation: v.optional(
      v.pipe(v.string(), v.description("Only models that can do this, such as chat or embeddings")),
    ),
  }),
  output: v.object({ models: v.array(Model) }),
  async run({ operation }, host) {
    const { data } = await readJson(await host.ask("/v1/models"));
    const models = (data as ListedModel[]).map(toModel);
    const structured = {
      models:
        operation === undefined ? models : models.filter(({ operations }) => operations.includes(operation)),
    };
    return { content: [{ type: "text", text: JSON.stringify(structured) }], structured };
  },
});

function toModel(listed: ListedModel): v.InferOutput<typeof Model> {
  const { id, supported_apis: operations, owned_by, ready, max_input_tokens } = listed;
  return { id, operations, owned_by, ready, max_input_tokens, max_output_tokens: listed.max_tokens };
}
