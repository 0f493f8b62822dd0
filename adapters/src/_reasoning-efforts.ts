import type { ReasoningEfforts } from "gatewright";

/** The adapters of these say every effort in the vendor's own words. */
export const CLAUDE_EFFORTS: ReasoningEfforts = {
  "claude*": ["none", "low", "medium", "high", "xhigh", "max"],
};
export const GEMINI_EFFORTS: ReasoningEfforts = { "gemini*": ["none", "minimal", "low", "medium", "high"] };
const GPT_OSS_EFFORTS: ReasoningEfforts = { "gpt-oss*": ["low", "medium", "high"] };

/**
 * Of OpenAI's models. Those before GPT-5.1 know no `none`, those since GPT-5.1-Codex-Max know `xhigh`
 * (https://developers.openai.com/api/docs/guides/reasoning and the reference of `reasoning_effort`); a model that is sent
 * another value answers 400 with those that it takes.
 */
const GPT_EFFORTS: ReasoningEfforts = {
  "gpt-5-chat*": [],
  "gpt-5-search*": [],
  "gpt-5.*-chat*": ["medium"],
  "gpt-5-pro*": ["high"],
  "gpt-5.*-pro*": ["medium", "high", "xhigh"],
  "gpt-5-codex*": ["low", "medium", "high"],
  "gpt-5.1-codex-max*": ["low", "medium", "high", "xhigh"],
  "gpt-5.1-codex*": ["low", "medium", "high"],
  "gpt-5.*-codex*": ["low", "medium", "high", "xhigh"],
  "gpt-5.1*": ["none", "low", "medium", "high"],
  "gpt-5.*": ["none", "low", "medium", "high", "xhigh"],
  "gpt-5*": ["minimal", "low", "medium", "high"],
  "o1-mini*": [],
  "o1-preview*": [],
  "o1*": ["low", "medium", "high"],
  "o3*": ["low", "medium", "high"],
  "o4*": ["low", "medium", "high"],
};

/** Of servers that may have anybody's models, under their own names. */
export const KNOWN_EFFORTS: ReasoningEfforts = {
  ...GPT_EFFORTS,
  ...GPT_OSS_EFFORTS,
  ...CLAUDE_EFFORTS,
  ...GEMINI_EFFORTS,
};
