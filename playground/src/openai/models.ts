import type { Exchange } from "../dialect.ts";
import { asText } from "../json-fields.ts";
import { field, type Form } from "../multipart.ts";
import { missing, Refusal } from "../refusal.ts";

/** 2025-11-01: a model's birthday does not move. */
const CREATED = 1_761_955_200;

/** `GET /v1/models` */
export async function listModels({ reply, settings }: Exchange): Promise<void> {
  await reply.json({ object: "list", data: settings.models.map((id) => describe(id)) });
}

/** `GET /v1/models/{id}` */
export async function showModel({ reply, settings, rest }: Exchange): Promise<void> {
  if (!settings.models.includes(rest)) throw unknownModel(rest);
  await reply.json(describe(rest));
}

/** The model that a request asks for, in its JSON body or its form. @throws Refusal when absent or unknown. */
export function requireModel({ body, request, settings }: Exchange): string {
  const model = request.form ? field(request.form, "model") : asText(body.model);
  if (!model) {
    throw new Refusal(400, "you must provide a model parameter", { param: "model" });
  }
  if (!settings.models.includes(model)) throw unknownModel(model);
  return model;
}

/** The multipart body of a request. @throws Refusal when it has another. */
export function requireForm({ request }: Exchange): Form {
  if (request.form) return request.form;
  throw new Refusal(400, "The Content-Type of this request must be multipart/form-data.");
}

/** A text field that a request must have. @throws Refusal when it is absent or no text. */
export function requireText({ body }: Exchange, name: string): string {
  const value = asText(body[name]);
  if (value === undefined) throw missing(name);
  return value;
}

function describe(id: string) {
  return { id, object: "model", created: CREATED, owned_by: "simulated" };
}

function unknownModel(model: string): Refusal {
  return new Refusal(404, `The model '${model}' does not exist or you do not have access to it.`, {
    code: "model_not_found",
    param: "model",
  });
}
