/** One thing that a drill was to show. */
export interface Verdict {
  readonly what: string;
  readonly found: string;
  /** Null: what was found cannot be held against it. */
  readonly isMet: boolean | null;
}

const WORDS = { true: "met", false: "NOT MET", null: "not judged" };

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(
    ({ what, found, isMet }) => `  ${WORDS[`${isMet}`].padEnd(10)}  ${what}: ${found}`,
  );
  return ["Verdicts", ...lines].join("\n");
}
