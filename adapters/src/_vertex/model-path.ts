import { encodeSegment } from "../_gemini/model-path.ts";
import type { VertexSettings } from "./options.ts";

/** https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations: each kind of location has hosts of its own. */
export function baseURLOf({ location }: VertexSettings): string {
  if (location === "global") return "https://aiplatform.googleapis.com/v1";
  if (location === "us" || location === "eu") return `https://aiplatform.${location}.rep.googleapis.com/v1`;
  return `https://${location}-aiplatform.googleapis.com/v1`;
}

/** Is it a model of Anthropic's? By the option, else by its name. */
export function isClaude(model: string, { publisher }: Pick<VertexSettings, "publisher">): boolean {
  return publisher === undefined ? /(?:^|\/)claude-/.test(model) : publisher === "anthropic";
}

export function isGoogles(model: string, settings: Pick<VertexSettings, "publisher">): boolean {
  return !isClaude(model, settings);
}

/**
 * The path of a call of a method. A name with a folder, such as `endpoints/123` of a tuned model, stands for itself
 * beneath the project.
 */
export function methodPath(model: string, settings: VertexSettings, method: string): string {
  const { project, location } = settings;
  const publisher = isClaude(model, settings) ? "anthropic" : "google";
  const name = model.includes("/") ? model : `publishers/${publisher}/models/${model}`;
  const parent = project === undefined ? "" : `/projects/${project}/locations/${location}`;
  return `${parent}/${name.split("/").map(encodeSegment).join("/")}:${method}`;
}

/** Newer models of embeddings have a method of their own, and take one content a request. */
export function usesEmbedContent(model: string): boolean {
  return /(?:^|\/)gemini-embedding-(?!001$)/.test(model);
}
