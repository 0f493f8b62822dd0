import { createHash } from "node:crypto";
import type { Exchange, Handler } from "../dialect.ts";
import { asText } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import type { Settings } from "../settings.ts";

/** Names of the models that are in memory. */
export type LoadedModels = Set<string>;

const MODIFIED = "2025-11-01T00:00:00Z";
const SIZE_BYTES = 4_683_087_332;
const CONTEXT_LENGTH = 32_768;
const KEEP_ALIVE_MS = 300_000;

/** The model that a request asks for; a name without a tag means `latest`. @throws Refusal when absent or unknown. */
export function requireModel({ body, settings }: Exchange): string {
  const model = asText(body.model);
  if (!model) throw new Refusal(400, "model is required");
  const known = settings.models.find((name) => name === model || name === `${model}:latest`);
  if (!known) throw new Refusal(404, `model '${model}' not found`);
  return known;
}

/** @throws Refusal when the models of this backend cannot do it. */
export function requireCapability(settings: Settings, model: string, capability: string): void {
  if (settings.capabilities.includes(capability)) return;
  throw new Refusal(400, `${JSON.stringify(model)} does not support ${capability}`);
}

/** `GET /api/tags`: all models. */
export async function listModels({ reply, settings }: Exchange): Promise<void> {
  await reply.json({ models: settings.models.map((name) => ({ ...describe(name), modified_at: MODIFIED })) });
}

/** `GET /api/ps`: those in memory. */
export function listLoaded(loaded: LoadedModels): Handler {
  return async function listed({ reply }) {
    const expires_at = new Date(Date.now() + KEEP_ALIVE_MS).toISOString();
    const state = { expires_at, size_vram: SIZE_BYTES, context_length: CONTEXT_LENGTH };
    await reply.json({ models: [...loaded].map((name) => ({ ...describe(name), ...state })) });
  };
}

/** `POST /api/show` */
export async function showModel(exchange: Exchange): Promise<void> {
  const model = requireModel(exchange);
  const { reply, settings } = exchange;
  await reply.json({
    modelfile: `FROM ${model}`,
    template: "{{ .Prompt }}",
    details: describe(model).details,
    model_info: {
      "general.architecture": familyOf(model),
      [`${familyOf(model)}.context_length`]: CONTEXT_LENGTH,
    },
    capabilities: settings.capabilities,
    modified_at: MODIFIED,
  });
}

function describe(name: string) {
  const family = familyOf(name);
  return {
    name,
    model: name,
    size: SIZE_BYTES,
    digest: createHash("sha256").update(name).digest("hex"),
    details: {
      parent_model: "",
      format: "gguf",
      family,
      families: [family],
      parameter_size: name.split(":")[1]?.toUpperCase() ?? "7B",
      quantization_level: "Q4_K_M",
    },
  };
}

function familyOf(name: string): string {
  return /^[a-z]+\d*/i.exec(name)?.[0] ?? name;
}
