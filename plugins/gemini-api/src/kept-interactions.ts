import { GatewayError, isJsonObject, narrowToPlace } from "gatewright";
import type {
  Context,
  DownstreamRequest,
  GatewayHost,
  JsonObject,
  KeptPlaces,
  Next,
  Reply,
} from "gatewright";

/** A new interaction goes to the backend that keeps the one before it. */
export async function interact(ctx: Context, next: Next, places: KeptPlaces): Promise<Reply> {
  const previous = ctx.body.get("previous_interaction_id");
  if (typeof previous === "string") {
    const place = await places.find(ctx, previous);
    if (!place) throw missing(previous, "previous_interaction_id");
    narrowToPlace(ctx, place, missing(previous, "previous_interaction_id"));
  }
  const reply = await next();
  // Nobody can come back to what is not kept.
  if (ctx.body.get("store") !== false) await places.note(ctx, reply, interactionId);
  return reply;
}

/** Reads, deletes or cancels an interaction, at the backend that keeps it. */
export async function askKeeper(
  ctx: Context,
  next: Next,
  places: KeptPlaces,
  { backends, catalog }: GatewayHost,
): Promise<Reply> {
  const id = readId(ctx.request);
  const place = await places.find(ctx, id);
  // A backend that is no longer configured took with it what it kept.
  if (!place || !backends.has(place.backend)) throw missing(id, "id");
  const target = catalog.target(place.backend, place.model);
  const reply = await next({ model: place.requestedModel, candidates: [target], target });
  if (ctx.request.method === "DELETE") await places.remove(ctx, id);
  return reply;
}

/** Of an interaction, or of the event that begins its stream. */
function interactionId({ id, interaction }: JsonObject): unknown {
  return isJsonObject(interaction) ? interaction["id"] : id;
}

/** Throws 404 for a path that leads nowhere. */
function readId({ method, path }: DownstreamRequest): string {
  const [, id, below] = /^\/v1beta\/interactions\/([^/]+)(\/cancel)?$/.exec(path) ?? [];
  if (id !== undefined && (method === "POST") === (below !== undefined)) {
    try {
      return decodeURIComponent(id);
    } catch {
      return id;
    }
  }
  throw new GatewayError("not_found", { message: `No route ${method} ${path}` });
}

function missing(id: string, param: string): GatewayError {
  return new GatewayError("not_found", {
    param,
    message: `There is no interaction '${id.slice(0, 128)}'`,
  });
}
