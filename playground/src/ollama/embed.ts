import type { Exchange } from "../dialect.ts";
import { asNumber, asText, asTexts } from "../json-fields.ts";
import { countTokens } from "../tokens.ts";
import { embed as embedText } from "../vectors.ts";
import { requireCapability, requireModel } from "./models.ts";

/** `POST /api/embed`: one vector a text. */
export async function embed(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  const model = requireModel(exchange);
  requireCapability(settings, model, "embedding");
  const texts = asTexts(body.input);
  const dimensions = asNumber(body.dimensions) ?? settings.dimensions;
  await reply.tokens(1);
  await reply.json({
    model,
    embeddings: texts.map((text) => [...embedText(text, dimensions)]),
    total_duration: 1_000_000,
    load_duration: 1_000_000,
    prompt_eval_count: texts.reduce((sum, text) => sum + countTokens(text), 0),
  });
}

/** `POST /api/embeddings`, the older form: one text. */
export async function embedOne(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  const model = requireModel(exchange);
  requireCapability(settings, model, "embedding");
  await reply.tokens(1);
  await reply.json({ embedding: [...embedText(asText(body.prompt) ?? "", settings.dimensions)] });
}
