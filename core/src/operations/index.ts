import type { Operation } from "../operation.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { countTokens } from "./count-tokens.ts";
import { embeddings } from "./embeddings.ts";
import { imageEdit, imageGeneration, imageVariation } from "./images.ts";
import { models } from "./models.ts";
import { moderation } from "./moderation.ts";
import { rerank } from "./rerank.ts";
import { responses } from "./responses.ts";
import { speech } from "./speech.ts";
import { transcription, translation } from "./transcription.ts";

/** The operations of core: the OpenAI API. */
export const coreOperations: readonly Operation[] = [
  chat,
  completions,
  responses,
  countTokens,
  embeddings,
  rerank,
  speech,
  transcription,
  translation,
  imageGeneration,
  imageEdit,
  imageVariation,
  moderation,
  models,
];
