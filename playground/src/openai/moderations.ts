import { randomUUID } from "node:crypto";
import type { Exchange } from "../dialect.ts";
import { asObjects, asText, asTexts } from "../json-fields.ts";
import { missing } from "../refusal.ts";
import { requireModel } from "./models.ts";

/** The categories, each with the words that this simulation takes for it. */
const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  harassment: ["idiot"],
  "harassment/threatening": ["threaten"],
  hate: ["hate"],
  "hate/threatening": [],
  illicit: ["steal"],
  "illicit/violent": ["bomb"],
  "self-harm": ["self-harm"],
  "self-harm/intent": [],
  "self-harm/instructions": [],
  sexual: ["sexual"],
  "sexual/minors": [],
  violence: ["kill", "attack"],
  "violence/graphic": [],
};

/** `POST /v1/moderations`: one result a text; a list of parts is one input. */
export async function moderations(exchange: Exchange): Promise<void> {
  const { body, reply } = exchange;
  const model = requireModel(exchange);
  const { input } = body;
  const parts = asObjects(input);
  const texts = parts.length > 0 ? [parts.map((part) => asText(part.text) ?? "").join("\n")] : asTexts(input);
  if (texts.length === 0) throw missing("input");
  await reply.tokens(1);
  await reply.json({ id: `modr-${randomUUID()}`, model, results: texts.map((text) => judge(text)) });
}

function judge(text: string) {
  const lower = text.toLowerCase();
  const found = Object.entries(CATEGORIES).map(
    ([category, words]) => [category, words.some((word) => lower.includes(word))] as const,
  );
  return {
    flagged: found.some(([, hit]) => hit),
    categories: Object.fromEntries(found),
    category_scores: Object.fromEntries(found.map(([category, hit]) => [category, hit ? 0.97 : 0.0001])),
    category_applied_input_types: Object.fromEntries(found.map(([category]) => [category, ["text"]])),
  };
}
