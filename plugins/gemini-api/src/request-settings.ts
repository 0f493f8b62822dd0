import type { JsonView } from "gatewright";

/** `generationConfig`, which Google also takes as `generation_config`. */
export function settingsOf(request: JsonView): JsonView | undefined {
  return request.view("generationConfig") ?? request.view("generation_config");
}

/** A member by its camel-case or its snake-case name. */
export function settingOf(settings: JsonView | undefined, camel: string, snake: string): unknown {
  return settings?.get(camel) ?? settings?.get(snake);
}

/** How many answers a request asks for. */
export function answersOf(request: JsonView): number {
  const count = settingOf(settingsOf(request), "candidateCount", "candidate_count");
  return typeof count === "number" ? count : 1;
}

/** Whether a request asks to see the model's thoughts; Google shows none unasked. */
export function asksForThoughts(request: JsonView): boolean {
  const settings = settingsOf(request);
  const thinking = settings?.view("thinkingConfig") ?? settings?.view("thinking_config");
  return settingOf(thinking, "includeThoughts", "include_thoughts") === true;
}
