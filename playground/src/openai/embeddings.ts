import type { Exchange } from "../dialect.ts";
import { asNumber } from "../json-fields.ts";
import { missing, Refusal } from "../refusal.ts";
import { countTokens } from "../tokens.ts";
import { embed, toBase64 } from "../vectors.ts";
import { requireModel } from "./models.ts";

const MAX_INPUTS = 2048;

/** `POST /v1/embeddings`: one vector an input, as numbers or base64. */
export async function embeddings(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  const model = requireModel(exchange);
  const inputs = toInputs(body.input);
  const dimensions = asNumber(body.dimensions) ?? settings.dimensions;
  if (!Number.isInteger(dimensions) || dimensions < 1) {
    throw new Refusal(400, "'dimensions' must be a positive integer.", { param: "dimensions" });
  }
  const encode = body.encoding_format === "base64" ? toBase64 : (vector: Float32Array) => [...vector];
  const tokens = inputs.reduce((sum, input) => sum + input.tokens, 0);
  await reply.tokens(1);
  await reply.json({
    object: "list",
    data: inputs.map(({ text }, index) => ({
      object: "embedding",
      index,
      embedding: encode(embed(text, dimensions)),
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** An input is a text, texts, tokens, or lists of tokens. Tokens are embedded by their numbers. */
function toInputs(input: unknown): { text: string; tokens: number }[] {
  if (input === undefined || input === null) throw missing("input");
  const list: unknown[] =
    Array.isArray(input) && !input.every((item) => typeof item === "number") ? input : [input];
  if (list.length > MAX_INPUTS) throw invalidInput();
  return list.map((item) => {
    if (typeof item === "string" && item !== "") return { text: item, tokens: countTokens(item) };
    const isTokens =
      Array.isArray(item) && item.length > 0 && item.every((token) => typeof token === "number");
    if (isTokens) return { text: item.join(" "), tokens: item.length };
    throw invalidInput();
  });
}

function invalidInput(): Refusal {
  return new Refusal(400, `'input' must be a text, tokens, or a list of up to ${MAX_INPUTS} of them.`, {
    param: "input",
  });
}
