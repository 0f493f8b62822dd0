import type { ClaudeSettings } from "./options.ts";

/** What a model takes; see `modelSettings` of the options. */
export interface ClaudeTraits {
  readonly maxTokens?: number;
  readonly thinking: "adaptive" | "always" | "budget" | "none";
  readonly structuredOutput: "native" | "tool" | "refuse";
  readonly sampling: boolean;
}

/** What is known of a model by its name, with what the config says of it. */
export function traitsOf(model: string, settings: ClaudeSettings): ClaudeTraits {
  const known = knownTraits(model);
  for (const [pattern, own] of Object.entries(settings.modelSettings)) {
    if (matches(model, pattern)) return { ...known, ...own };
  }
  return known;
}

/**
 * Claude models by generation, as the vendor's pages state them in November 2026. A name without a version is taken
 * for a current model that refuses nothing.
 * - thinking: https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting
 * - structured output: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 * - sampling: https://platform.claude.com/docs/en/build-with-claude/thinking
 */
export function knownTraits(model: string): ClaudeTraits {
  // Claude Fable and Mythos, and from 5.5 on Opus and Sonnet, cannot be kept from thinking.
  if (/claude-(?:fable|mythos)/.test(model)) return ALWAYS_THINKING;
  const version = readVersion(model);
  if (version === undefined) return { ...CURRENT, sampling: true };
  const { line, number } = version;
  if (number < 307) return { thinking: "none", structuredOutput: "refuse", sampling: true };
  if (number < 405) return { thinking: "budget", structuredOutput: "refuse", sampling: true };
  if (number < 406) return { thinking: "budget", structuredOutput: "native", sampling: true };
  if (number < 407) return { ...CURRENT, sampling: true };
  return number >= 505 && line !== "haiku" ? ALWAYS_THINKING : CURRENT;
}

const CURRENT: ClaudeTraits = { thinking: "adaptive", structuredOutput: "native", sampling: false };
const ALWAYS_THINKING: ClaudeTraits = { ...CURRENT, thinking: "always" };

const VERSION_LAST = /claude-(?<line>opus|sonnet|haiku)-(?<major>\d{1,2})(?:[.-](?<minor>\d{1,2}))?(?!\d)/;
const VERSION_FIRST = /claude-(?<major>\d)(?:[.-](?<minor>\d{1,2}))?-(?<line>opus|sonnet|haiku)/;

/**
 * Of `claude-opus-4-1-20250805`, `claude-3-7-sonnet-latest`, `us.anthropic.claude-sonnet-4-20250514-v1:0` and the
 * like: 401, 307, 400.
 */
function readVersion(model: string): { line: string; number: number } | undefined {
  const found = (VERSION_LAST.exec(model) ?? VERSION_FIRST.exec(model))?.groups;
  if (!found) return undefined;
  return { line: found["line"]!, number: 100 * Number(found["major"]) + Number(found["minor"] ?? 0) };
}

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}
