import type { JsonView, ParameterPlace, ParameterPlaces } from "gatewright";

/** `generationConfig`, which Google also takes as `generation_config`. */
const SETTINGS = ["generationConfig", "generation_config"] as const;

export function settingsOf(request: JsonView): JsonView | undefined {
  return request.view(SETTINGS[0]) ?? request.view(SETTINGS[1]);
}

/** Where layers find the parameters that they adjust. */
export const parameters: ParameterPlaces = {
  temperature: placesOf("temperature"),
  outputLimit: placesOf("maxOutputTokens", "max_output_tokens"),
};

function placesOf(...names: readonly string[]): ParameterPlace[] {
  return SETTINGS.flatMap((within) => names.map((name) => ({ within, name })));
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
