import type { Exchange } from "../dialect.ts";
import { openaiEvents } from "../events.ts";
import { asText, type JsonObject } from "../json-fields.ts";
import { field } from "../multipart.ts";
import { makePng } from "../png.ts";
import { hash } from "../random.ts";
import { missing, Refusal } from "../refusal.ts";
import { countTokens } from "../tokens.ts";
import { requireForm, requireModel } from "./models.ts";

const MAX_IMAGES = 10;
const IMAGE_TOKENS = 272;

/** What is asked, whether by JSON or by form. */
interface Order {
  prompt: string;
  n: number;
  size: string;
  quality: string;
  asURL: boolean;
  stream: boolean;
  partialImages: number;
  /** Events are named after the operation. */
  event: "image_generation" | "image_edit";
  /** Pictures given. */
  given: number;
}

/** `POST /v1/images/generations` */
export async function generateImages(exchange: Exchange): Promise<void> {
  const model = requireModel(exchange);
  const { body } = exchange;
  if (asText(body.prompt) === undefined) throw missing("prompt");
  await fulfil(
    exchange,
    toOrder((name) => body[name], model, "image_generation"),
  );
}

/** `POST /v1/images/edits` and `/variations`, which differ in the prompt. */
export async function editImages(exchange: Exchange): Promise<void> {
  const form = requireForm(exchange);
  const model = requireModel(exchange);
  const given = form.files.filter(({ field }) => field === "image" || field === "image[]").length;
  if (given === 0) throw missing("image");
  const isVariation = exchange.request.path.endsWith("/variations");
  if (!isVariation && field(form, "prompt") === undefined) throw missing("prompt");
  const order = toOrder((name) => field(form, name), model, "image_edit");
  await fulfil(exchange, { ...order, given });
}

/** `GET /files/{seed}.png`: what the URLs of answers point to. */
export async function showImage({ reply, rest, settings }: Exchange): Promise<void> {
  const png = makePng(rest.replace(/\.png$/, ""), settings.imageBytes);
  await reply.whole(png, { "content-type": "image/png" });
}

async function fulfil({ reply, settings, url }: Exchange, order: Order): Promise<void> {
  const created = Math.floor(Date.now() / 1000);
  const textTokens = countTokens(order.prompt);
  const inputTokens = textTokens + order.given * IMAGE_TOKENS;
  const usage = {
    input_tokens: inputTokens,
    input_tokens_details: { text_tokens: textTokens, image_tokens: order.given * IMAGE_TOKENS },
    output_tokens: order.n * IMAGE_TOKENS,
    total_tokens: inputTokens + order.n * IMAGE_TOKENS,
  };
  const picture = (seed: string) => makePng(seed, settings.imageBytes).toString("base64");
  const common = { background: "opaque", output_format: "png", quality: order.quality, size: order.size };
  if (!order.stream) {
    await reply.tokens(order.n);
    const data = Array.from({ length: order.n }, (_, index) => {
      const seed = `${order.prompt} ${index}`;
      return order.asURL
        ? { url: `${url}/files/${hash(seed).toString(16)}.png`, revised_prompt: order.prompt }
        : { b64_json: picture(seed) };
    });
    return reply.json({ created, ...(order.asURL ? {} : common), data, usage });
  }
  await reply.openEvents(openaiEvents);
  const send = async (type: string, fields: JsonObject, role?: "finish"): Promise<void> => {
    await reply.nextToken();
    await reply.event(JSON.stringify({ type, created_at: created, ...common, ...fields }), { type, role });
  };
  for (let index = 0; index < order.partialImages; index++) {
    const b64_json = picture(`${order.prompt} partial ${index}`);
    await send(`${order.event}.partial_image`, { b64_json, partial_image_index: index });
  }
  await send(`${order.event}.completed`, { b64_json: picture(`${order.prompt} 0`), usage }, "finish");
  await reply.endEvents();
}

/** `read` gives a field as it came: values of a form are texts where those of JSON are numbers and booleans. */
function toOrder(read: (name: string) => unknown, model: string, event: Order["event"]): Order {
  const n = Number(read("n") ?? 1);
  if (!Number.isInteger(n) || n < 1 || n > MAX_IMAGES) {
    throw new Refusal(400, `'n' must be 1 to ${MAX_IMAGES}.`, { param: "n" });
  }
  return {
    prompt: asText(read("prompt")) ?? "variation",
    n,
    size: asText(read("size")) ?? "1024x1024",
    quality: asText(read("quality")) ?? "medium",
    // GPT image models always answer base64.
    asURL: !model.startsWith("gpt-") && read("response_format") !== "b64_json",
    stream: String(read("stream")) === "true",
    partialImages: Number(read("partial_images") ?? 0),
    event,
    given: 0,
  };
}
