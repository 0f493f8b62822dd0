import { createHash } from "node:crypto";
import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/** Anthropic takes names of up to 128 characters; OpenAI and others refuse more than 64. */
const MAX_LENGTH = 64;
const HASH_LENGTH = 12;

/** The name under which a backend knows the tool: a long one is cut, and a hash of it keeps it apart from others. */
export function toToolName(name: string): string {
  if (name.length <= MAX_LENGTH) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${name.slice(0, MAX_LENGTH - HASH_LENGTH - 1)}_${hash}`;
}

/** The client's name of a tool that a backend calls. */
export function fromToolName(name: string, { tools }: JsonObject): string {
  if (name.length !== MAX_LENGTH || !Array.isArray(tools)) return name;
  const tool = tools.find(
    (tool: unknown) =>
      isJsonObject(tool) && typeof tool["name"] === "string" && toToolName(tool["name"]) === name,
  ) as JsonObject | undefined;
  return (tool?.["name"] as string | undefined) ?? name;
}
