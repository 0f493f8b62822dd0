import { nearest } from "../config/nearest.ts";
import type { Context } from "../context.ts";
import type { GatewayError } from "../errors.ts";
import type { Router } from "../router.ts";
import { modelNotFound } from "./refusals.ts";

/** Whoever asks may use the model, and so be told of it. */
export function maySee({ principal }: Pick<Context, "principal">, model: string): boolean {
  return principal?.allowsModel?.(model) ?? true;
}

/** No name that somebody means is longer; what is longer is not compared with every other. */
const MAX_NAME_LENGTH = 96;

/** 404 for a name that leads nowhere, with the nearest that whoever asks may see. */
export function unknownModel(
  name: string,
  asker: Pick<Context, "principal">,
  { models }: Pick<Router, "models">,
): GatewayError {
  if (name.length > MAX_NAME_LENGTH) return modelNotFound(name);
  const visible = [...models.keys()].filter((known) => maySee(asker, known));
  return modelNotFound(name, nearest(name, visible));
}
