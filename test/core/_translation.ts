import { REASONING_EFFORTS, UnsupportedField } from "gatewright";
import type { Adapter, JsonObject, MappingInfo, Operation, OperationMapping } from "gatewright";
import anthropic from "../../adapters/src/anthropic.ts";
import bedrock from "../../adapters/src/bedrock.ts";
import gemini from "../../adapters/src/gemini.ts";
import ollama from "../../adapters/src/ollama.ts";
import { chat } from "../../core/src/operations/chat.ts";
import { responses } from "../../core/src/operations/responses.ts";
import { createOperations } from "../../plugins/anthropic-api/src/operations.ts";
import { createGenerateContent } from "../../plugins/gemini-api/src/generate-content.ts";
import { isAtOrBelow, leavesOf, nameOf, replaceAt } from "../_support/json-leaves.ts";

/** A backend dialect: its adapter with one of its models. */
export interface Backend {
  readonly mapping: OperationMapping;
  readonly options: Record<string, unknown>;
  readonly model: string;
}

function backend(adapter: unknown, model: string, given: Record<string, unknown> = {}): Backend {
  const { operations, options } = adapter as Adapter;
  const read = options!["~standard"].validate(given) as { value: Record<string, unknown> };
  return { mapping: operations.chat!, options: read.value, model };
}

/** Backends whose dialect is not OpenAI's. */
export const BACKENDS = {
  anthropic: backend(anthropic, "claude-sonnet-4-6"),
  gemini: backend(gemini, "gemini-3-flash-preview"),
  ollama: backend(ollama, "qwen2.5:7b"),
  bedrock: backend(bedrock, "anthropic.claude-sonnet-4-6", { region: "eu-central-1" }),
} as const;
export type BackendName = keyof typeof BACKENDS;

const effortsOf = (): typeof REASONING_EFFORTS => REASONING_EFFORTS;
const [messages] = createOperations(effortsOf);

/** What clients ask by. All but chat come in by a bridge to it. */
export const DOORS = {
  chat,
  responses,
  messages: messages!,
  generateContent: createGenerateContent(effortsOf),
} as const satisfies Record<string, Operation>;
export type DoorName = keyof typeof DOORS;

export function infoOf(request: JsonObject, fields: Partial<MappingInfo> = {}): MappingInfo {
  return {
    operation: "chat",
    model: "upstream-model",
    requestedModel: "asked-model",
    stream: false,
    options: {},
    requestId: "req_0123456789abcdef",
    nowSeconds: 1_700_000_000,
    request,
    report: () => {},
    ...fields,
  };
}

/** What a request comes to: a body and what was left out, or the field for which it was refused. */
export interface Outcome {
  readonly body?: JsonObject;
  readonly dropped: readonly string[];
  readonly refused?: string;
}

/** The client's request as chat. */
export function toHub(door: DoorName, request: JsonObject, fields: Partial<MappingInfo> = {}): Outcome {
  const { bridge } = DOORS[door];
  return outcomeOf(() => bridge!.toRequest(request, infoOf(request, fields)));
}

/** A chat request as the backend gets it. */
export function toBackend(name: BackendName, request: JsonObject): Outcome {
  const { mapping, options, model } = BACKENDS[name];
  return outcomeOf(() => mapping.toRequest!(request, infoOf(request, { options, model })));
}

function outcomeOf(map: () => { body: JsonObject; dropped?: readonly string[] }): Outcome {
  try {
    const { body, dropped = [] } = map();
    return { body: wireOf(body), dropped };
  } catch (error) {
    if (error instanceof UnsupportedField) return { dropped: [], refused: error.field };
    throw error;
  }
}

/** As it stands on the wire. */
export function wireOf<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

/**
 * Values of a request that can change without anybody noticing: neither what is sent nor what is refused changes with
 * them, and they are not reported. Named as reports name fields.
 */
export function unnoticed(request: JsonObject, map: (request: JsonObject) => Outcome): Set<string> {
  const whole = map(request);
  const before = JSON.stringify(whole);
  const silent = new Set<string>();
  // Nothing of it is sent anywhere.
  if (whole.refused !== undefined) return silent;
  for (const { path, leaf } of leavesOf(request)) {
    const name = nameOf(path);
    if (leaf === null || whole.dropped.some((field) => isAtOrBelow(name, field))) continue;
    if (JSON.stringify(map(replaceAt(request, path, otherThan(leaf)) as JsonObject)) === before)
      silent.add(name);
  }
  return silent;
}

function otherThan(leaf: unknown): unknown {
  if (typeof leaf === "string") return `${leaf}~`;
  if (typeof leaf === "number") return leaf === 0 ? 1 : -leaf;
  return leaf !== true;
}
