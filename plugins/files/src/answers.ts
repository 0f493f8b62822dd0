import { GatewayError, isGatewayError, isJsonObject, isOfProvider, ownerOf, readJsonReply } from "gatewright";
import type { Context, JsonObject, Next, Reply } from "gatewright";
import { pageReply, pickPage } from "./list-page.ts";
import { readId, type Kind } from "./operations.ts";
import type { Place, Places } from "./places.ts";

/** A new file goes where the balancer sends it, or to the provider that the query names. */
export async function upload(ctx: Context, next: Next, places: Places): Promise<Reply> {
  const provider = new URLSearchParams(ctx.request.query).get("provider");
  if (provider !== null) {
    const named = ctx.candidates.filter(({ backend }) => isOfProvider(backend, provider));
    if (named.length === 0)
      throw new GatewayError("unknown_provider", {
        param: "provider",
        message: `There is no provider \`${provider}\` that takes files`,
      });
    ctx.candidates = named;
  }
  return note(ctx, await next(), "file", places);
}

/** A batch is run by the backend that has its input. */
export async function createBatch(ctx: Context, next: Next, places: Places): Promise<Reply> {
  const fileId = ctx.body.get("input_file_id") as string;
  const file = await places.find(ownerOf(ctx), "file", fileId);
  if (!file) throw missing("file", fileId, "input_file_id");
  narrowTo(ctx, file);
  return note(ctx, await next(), "batch", places);
}

/** Reads, removes or cancels what is known by its id. */
export async function askKeeper(ctx: Context, next: Next, kind: Kind, places: Places): Promise<Reply> {
  const id = readId(ctx.request, kind);
  const owner = ownerOf(ctx);
  const place = await places.find(owner, kind, id);
  if (!place) throw missing(kind, id);
  narrowTo(ctx, place);
  let reply: Reply;
  try {
    reply = await next();
  } catch (error) {
    if (!isGatewayError(error) || error.upstream?.status !== 404) throw error;
    // It is gone at its backend; a file that has content yet may be without it for the time being.
    if (!ctx.request.path.endsWith("/content")) await places.remove(owner, kind, id);
    throw missing(kind, id);
  }
  if (ctx.request.method === "DELETE") await places.remove(owner, kind, id);
  else if (kind === "batch") return note(ctx, reply, "batch", places);
  else await places.put(owner, kind, id, place);
  return reply;
}

/** The files of one key, as their backends told of them when they took them: nothing of a file changes later. */
export async function listFiles(ctx: Context, places: Places): Promise<Reply> {
  const owner = ownerOf(ctx);
  const query = new URLSearchParams(ctx.request.query);
  const purpose = query.get("purpose");
  const page = await pickPage(await places.ids(owner, "file"), query, async (id) => {
    const object = (await places.find(owner, "file", id))?.object;
    return purpose === null || object?.["purpose"] === purpose ? object : undefined;
  });
  return pageReply(page.items, page.hasMore);
}

/** The batches of one key. Of those that still run their backends are asked how they are doing, with one call each. */
export async function listBatches(ctx: Context, next: Next, places: Places): Promise<Reply> {
  const owner = ownerOf(ctx);
  const query = new URLSearchParams(ctx.request.query);
  const find = (id: string): Promise<Place | undefined> => places.find(owner, "batch", id);
  const { items, hasMore } = await pickPage(await places.ids(owner, "batch"), query, find);
  const running = items.filter(({ object }) => !ENDED.has(object["status"] as string));
  const news = await latestOf(ctx, next, new Set(running.map(({ backend }) => backend)));
  for (const { backend, object } of running) {
    const told = news.get(object["id"] as string);
    if (told) await keep(owner, "batch", { backend, object: told }, places);
  }
  return pageReply(
    items.map(({ object }) => news.get(object["id"] as string) ?? object),
    hasMore,
  );
}

/** Statuses in which a batch stays (https://developers.openai.com/api/docs/guides/batch). */
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "expired", "cancelled"]);

/** The latest batches of some backends, by id. One that does not answer tells nothing. */
async function latestOf(
  ctx: Context,
  next: Next,
  backends: ReadonlySet<string>,
): Promise<Map<string, JsonObject>> {
  const targets = ctx.candidates.filter(({ backend }) => backends.has(backend.name));
  const pages = await Promise.allSettled(targets.map((target) => next({ candidates: [target], target })));
  const found = new Map<string, JsonObject>();
  for (const page of pages) {
    const list = page.status === "fulfilled" ? readJsonReply(page.value)?.["data"] : undefined;
    for (const object of Array.isArray(list) ? list.filter(isJsonObject) : [])
      found.set(String(object["id"]), object);
  }
  return found;
}

/** Where what the reply tells of is kept, so that it is found again. */
async function note(ctx: Context, reply: Reply, kind: Kind, places: Places): Promise<Reply> {
  const object = readJsonReply(reply);
  const backend = reply.attempt?.target.backend.name;
  if (object && backend !== undefined) await keep(ownerOf(ctx), kind, { backend, object }, places);
  return reply;
}

/** The files that a batch made are its owner's as well. */
async function keep(owner: string, kind: Kind, { backend, object }: Place, places: Places): Promise<void> {
  const { id, output_file_id: output, error_file_id: errors } = object;
  if (!isId(id)) return;
  await places.put(owner, kind, id, { backend, object });
  if (kind !== "batch") return;
  for (const fileId of [output, errors]) {
    if (!isId(fileId) || (await places.find(owner, "file", fileId))) continue;
    const made = { id: fileId, object: "file", purpose: "batch_output" };
    await places.put(owner, "file", fileId, { backend, object: made });
  }
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{1,128}$/.test(value);
}

/** 503 while the backend is out of play; one that is no longer configured took what it had with it. */
function narrowTo(ctx: Context, { backend, object }: Place): void {
  const there = ctx.candidates.filter((target) => target.backend.name === backend);
  if (there.length === 0)
    throw new GatewayError("no_available_instances", {
      message: `The backend that keeps \`${String(object["id"])}\` is not available`,
    });
  ctx.candidates = there;
}

function missing(kind: Kind, id: string, param = "id"): GatewayError {
  const name = kind === "file" ? "File" : "Batch";
  return new GatewayError("not_found", {
    param,
    message: `No such ${name} object: ${id.slice(0, 128)}`,
  });
}
