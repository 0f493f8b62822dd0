import { consola } from "consola";

export interface Choice<Value extends string = string> {
  readonly value: Value;
  readonly label: string;
  readonly hint?: string;
}

/** How questions are put. */
export interface Prompts {
  text(question: string, initial: string): Promise<string>;
  select<Value extends string>(question: string, choices: readonly Choice<Value>[]): Promise<Value>;
  /** `required`: at least one. */
  selectMany(
    question: string,
    choices: readonly Choice[],
    initial: readonly string[],
    required: boolean,
  ): Promise<string[]>;
  /** Says why an answer is asked for again. */
  complain(message: string): void;
}

/** The person left (Ctrl-C). */
export class Cancelled extends Error {}

/** On the terminal. Each question throws `Cancelled` when the person leaves. */
export const terminalPrompts: Prompts = {
  async text(question, initial) {
    return toAnswer(await consola.prompt(question, { type: "text", initial, cancel: "symbol" })) as string;
  },
  async select<Value extends string>(question: string, choices: readonly Choice<Value>[]): Promise<Value> {
    const options = [...choices];
    return toAnswer(await consola.prompt(question, { type: "select", options, cancel: "symbol" })) as Value;
  },
  async selectMany(question, choices, chosen, required) {
    const options = [...choices];
    const initial = [...chosen];
    return toAnswer(
      await consola.prompt(question, { type: "multiselect", options, initial, required, cancel: "symbol" }),
    ) as string[];
  },
  complain: (message) => consola.warn(message),
};

/** consola's own types say less than it gives: the values that were chosen. */
function toAnswer(answer: unknown): unknown {
  if (typeof answer === "symbol") throw new Cancelled();
  return answer;
}
