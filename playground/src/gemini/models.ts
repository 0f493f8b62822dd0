import type { Exchange } from "../dialect.ts";
import { Refusal } from "../refusal.ts";

/** `GET /v1beta/models`: all of them on one page. */
export async function listModels({ reply, settings }: Exchange): Promise<void> {
  await reply.json({ models: settings.models.map(describe) });
}

/** `GET /v1beta/models/{model}` */
export async function showModel({ reply, settings, rest }: Exchange): Promise<void> {
  if (!settings.models.includes(rest)) throw unknownModel(rest);
  await reply.json(describe(rest));
}

/** The model in the path. @throws Refusal when it is unknown. */
export function requireModel({ rest, settings }: Exchange): string {
  if (!settings.models.includes(rest)) throw unknownModel(rest);
  return rest;
}

function describe(name: string) {
  return {
    name: `models/${name}`,
    version: "001",
    displayName: name,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: name.includes("embedding")
      ? ["embedContent", "countTokens"]
      : ["generateContent", "countTokens"],
  };
}

function unknownModel(model: string): Refusal {
  return new Refusal(404, `models/${model} is not found for API version v1beta, or is not supported.`);
}
