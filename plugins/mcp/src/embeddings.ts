import { GatewayError } from "gatewright";
import * as v from "valibot";
import { readJson } from "./reply-json.ts";
import { defineTool } from "./tool.ts";
import { Usage, usageOf } from "./usage.ts";

export const embeddings = defineTool({
  name: "embeddings",
  title: "Embed texts",
  description:
    "Turns texts into vectors, by which they can be compared. The models are those that list_models shows.",
  input: v.strictObject({
    model: v.pipe(v.string(), v.description("Name of a model that can do embeddings")),
    input: v.pipe(
      v.union([v.string(), v.pipe(v.array(v.string()), v.minLength(1))]),
      v.description("One text, or several"),
    ),
    dimensions: v.optional(
      v.pipe(
        v.number(),
        v.integer(),
        v.minValue(1),
        v.description("Length of the vectors, where the model can choose"),
      ),
    ),
  }),
  output: v.object({
    model: v.string(),
    embeddings: v.pipe(v.array(v.array(v.number())), v.description("One vector a text, in their order")),
    usage: v.optional(Usage),
  }),
  async run({ model, input, dimensions }, host) {
    const body = { model, input, encoding_format: "float", ...(dimensions !== undefined && { dimensions }) };
    const reply = await readJson(await host.ask("/v1/embeddings", body));
    const usage = usageOf(reply);
    const structured = {
      model: typeof reply["model"] === "string" ? reply["model"] : model,
      embeddings: vectorsOf(reply["data"]),
      ...(usage && { usage }),
    };
    return { content: [{ type: "text", text: JSON.stringify(structured) }], structured };
  },
});

const Vectors = v.array(v.object({ index: v.number(), embedding: v.array(v.number()) }));

function vectorsOf(data: unknown): number[][] {
  const read = v.safeParse(Vectors, data);
  if (!read.success) throw new GatewayError("provider_error", { message: "The backend sent no vectors" });
  return read.output.sort((a, b) => a.index - b.index).map(({ embedding }) => embedding);
}
