import { fields as responses } from "../../core/src/operations/responses.ts";
import { fields as anthropicApi } from "../../plugins/anthropic-api/src/index.ts";
import { fields as geminiApi } from "../../plugins/gemini-api/src/index.ts";
import { renderFates } from "./fields-page.ts";
import { FRONT_DOOR_TABLES } from "./nested-tables.ts";

/** The parts of the page of what front doors do with request fields. */
export function renderFrontDoorFields(): string[] {
  const ofPlugin = (name: string, tables: typeof geminiApi) =>
    Object.entries(tables).map(([operation, table]) => ({ of: [name], operation, table }));
  const tables = [
    { of: ["gatewright"], operation: "responses", table: responses },
    ...ofPlugin("anthropic-api", anthropicApi),
    ...ofPlugin("gemini-api", geminiApi),
  ];
  return [
    "# Fields of front doors",
    "A request in another dialect than OpenAI's chat goes as it came to a backend that speaks this dialect. For any other it " +
      "becomes a chat request, or one for embeddings, and its fields are: **forward**ed as they are, **translate**d to what " +
      "the note says, **drop**ped and reported in `x-gatewright-dropped`, or **refuse**d with a 400 that names the field. A " +
      "field without a row is forwarded. What the backend's adapter then does with it: [fields of adapters](adapter-fields.md).",
    ...renderFates(tables, FRONT_DOOR_TABLES),
  ];
}
