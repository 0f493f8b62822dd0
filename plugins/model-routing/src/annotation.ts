import { costInMicros, isBodyStream, parseJson, stringifyJson } from "gatewright";
import type { Context, Reply } from "gatewright";

/** The reply with who answered and at which cost, in US dollars; null where no price is known. */
export function annotate({ operation, stream }: Context, reply: Reply): Reply {
  const { attempt, body } = reply;
  if (operation.name !== "chat" || stream || !attempt || body === null || isBodyStream(body)) return reply;
  const { usage, target } = attempt;
  const cost = usage && target.price ? costInMicros(usage, target.price) / 1e6 : null;
  const text = typeof body === "string" ? body : Buffer.from(body).toString("utf8");
  const json = parseJson(text) as Record<string, unknown>;
  const annotated = { ...json, provider: target.backend.adapter.provider, cost };
  return { ...reply, body: stringifyJson(annotated) };
}
