import type { Exchange } from "../dialect.ts";
import { asText } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";

const CREATED = "2025-11-01T00:00:00Z";

/** `GET /v1/models`: all of them on one page. */
export async function listModels({ request, reply, settings }: Exchange): Promise<void> {
  requireVersion(request.headers);
  const data = settings.models.map(describe);
  await reply.json({
    data,
    has_more: false,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  });
}

/** `GET /v1/models/{id}` */
export async function showModel({ request, reply, settings, rest }: Exchange): Promise<void> {
  requireVersion(request.headers);
  if (!settings.models.includes(rest)) throw unknownModel(rest);
  await reply.json(describe(rest));
}

/** The model that a request asks for. @throws Refusal when absent or unknown. */
export function requireModel({ body, settings }: Exchange): string {
  const model = asText(body.model);
  if (model === undefined) throw new Refusal(400, "model: Field required");
  if (!settings.models.includes(model)) throw unknownModel(model);
  return model;
}

/** The version of the API. @throws Refusal when the request names none. */
export function requireVersion(headers: Readonly<Record<string, unknown>>): string {
  const version = asText(headers["anthropic-version"]);
  if (version === undefined) throw new Refusal(400, "anthropic-version: header is required");
  if (version !== "2023-06-01" && version !== "2026-10-21")
    throw new Refusal(400, `anthropic-version: "${version}" is not a valid version`);
  return version;
}

function describe(id: string) {
  return {
    type: "model",
    id,
    display_name: id,
    created_at: CREATED,
    max_input_tokens: 200_000,
    max_tokens: 64_000,
  };
}

function unknownModel(model: string): Refusal {
  return new Refusal(404, `model: ${model}`);
}
