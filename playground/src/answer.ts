import { asText, type JsonObject } from "./json-fields.ts";
import { exampleOf } from "./schema-example.ts";
import type { Settings } from "./settings.ts";
import { countTokens, makeTokens, splitPieces, splitWords } from "./tokens.ts";

/** A tool that the model may call. */
export interface Tool {
  name: string;
  parameters: unknown;
}

/** What a model is asked, whatever the dialect. */
export interface Prompt {
  model: string;
  /** All that the model reads, as text: the answer follows from it. */
  text: string;
  /** The text of the last turn, when that is the user's. */
  question?: string;
  /** What the last turn brings back from tools. */
  toolResults: string[];
  /** Pictures and other media beside the text. */
  images: number;
  tools: Tool[];
  /** `required` forces some call, an object forces that tool. */
  toolChoice: "auto" | "none" | "required" | { name: string };
  parallelTools: boolean;
  /** The answer must be JSON, and fit the schema if there is one. */
  json?: { schema?: unknown };
  maxTokens?: number;
  stop: string[];
  thinking: boolean;
}

export interface ToolCall {
  name: string;
  arguments: JsonObject;
}

/** What a model answers: the same for the same prompt, on every run. */
export interface Answer {
  /** Tokens of reasoning, before anything else. */
  thinking: string[];
  /** Tokens of the text; empty when tools are called. */
  pieces: string[];
  calls: ToolCall[];
  finish: "stop" | "length" | "tool_calls" | "content_filter";
  /** The stop string that ended the text. */
  stop?: string;
  inputTokens: number;
  /** Reasoning and tool calls included. */
  outputTokens: number;
}

const THINKING_TOKENS = 8;
/** Of a tool's result: how much the answer repeats, in characters. */
const REPEATED_RESULT = 200;
const IMAGE_TOKENS = 85;

/** Answers a prompt. `choice` tells the answers to one prompt apart. */
export function answer(prompt: Prompt, settings: Settings, choice = 0): Answer {
  const seed = `${prompt.model}\n${prompt.text}\n${choice}`;
  const thinking = prompt.thinking ? makeTokens(`thinking\n${seed}`, THINKING_TOKENS) : [];
  const inputTokens = countTokens(prompt.text) + prompt.images * IMAGE_TOKENS;
  const calls = callsFor(prompt);
  if (calls.length > 0) {
    const callTokens = calls.reduce((sum, call) => sum + splitPieces(JSON.stringify(call)).length, 0);
    return {
      thinking,
      pieces: [],
      calls,
      finish: "tool_calls",
      inputTokens,
      outputTokens: thinking.length + callTokens,
    };
  }
  const { pieces, finish, stop } = limit(textFor(prompt, settings, seed), prompt);
  return {
    thinking,
    pieces,
    calls,
    finish: settings.filtered ? "content_filter" : finish,
    stop,
    inputTokens,
    outputTokens: thinking.length + pieces.length,
  };
}

function textFor(prompt: Prompt, settings: Settings, seed: string): string[] {
  if (settings.text !== undefined) return splitWords(settings.text);
  const tokens = makeTokens(seed, settings.tokens);
  if (prompt.json?.schema) return splitPieces(JSON.stringify(exampleOf(prompt.json.schema)));
  if (prompt.json) return splitPieces(JSON.stringify({ answer: tokens.join("") }));
  const opening: string[] = [];
  if (prompt.images > 0)
    opening.push(...splitWords(`I see ${prompt.images} image${prompt.images > 1 ? "s" : ""}: `));
  if (prompt.toolResults.length > 0) {
    const results = prompt.toolResults.map((result) => result.slice(0, REPEATED_RESULT)).join(" and ");
    opening.push(...splitWords(`The tool answered ${results}, and so: `));
  }
  return [...opening, ...tokens];
}

/** Cuts a text at the first stop string, then at the most tokens. */
function limit(
  tokens: string[],
  { stop, maxTokens }: Prompt,
): { pieces: string[]; finish: "stop" | "length"; stop?: string } {
  const text = tokens.join("");
  const [met] = stop
    .map((end) => ({ end, at: text.indexOf(end) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at);
  const pieces = met ? splitWords(text.slice(0, met.at)) : tokens;
  if (maxTokens === undefined || pieces.length <= maxTokens)
    return { pieces, finish: "stop", stop: met?.end };
  return { pieces: pieces.slice(0, maxTokens), finish: "length" };
}

/** The calls that the model makes: those forced, or those whose tools the user's last words speak of. */
function callsFor({ tools, toolChoice, question, parallelTools }: Prompt): ToolCall[] {
  if (toolChoice === "none" || tools.length === 0) return [];
  const wanted =
    typeof toolChoice === "object"
      ? tools.filter((tool) => tool.name === toolChoice.name)
      : tools.filter((tool) => question !== undefined && speaksOf(question, tool.name));
  const called = wanted.length === 0 && toolChoice === "required" ? tools.slice(0, 1) : wanted;
  return (parallelTools ? called : called.slice(0, 1)).map(({ name, parameters }) => ({
    name,
    arguments: (exampleOf(parameters ?? { type: "object" }) ?? {}) as JsonObject,
  }));
}

/** "What is the weather?" speaks of `get_weather`: it has one of its words of four letters or more. */
function speaksOf(question: string, name: string): boolean {
  const text = question.toLowerCase();
  const words = name
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return text.includes(name.toLowerCase()) || words.some((word) => word.length >= 4 && text.includes(word));
}

/** The text of a message's content, be it a string or a list of parts; parts without text are counted as media. */
export function readContent(content: unknown): { text: string; images: number } {
  if (typeof content === "string") return { text: content, images: 0 };
  const parts = Array.isArray(content) ? (content as JsonObject[]) : [];
  const texts = parts.map((part) => asText(part.text) ?? asText(part.refusal));
  return {
    text: texts.filter((text) => text !== undefined).join("\n"),
    images: texts.filter((text) => text === undefined).length,
  };
}
