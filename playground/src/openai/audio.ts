import type { Exchange, Handler } from "../dialect.ts";
import { openaiEvents } from "../events.ts";
import { asObject, asText, type JsonObject } from "../json-fields.ts";
import { field, type Form, type FormFile } from "../multipart.ts";
import { hash } from "../random.ts";
import { missing, Refusal } from "../refusal.ts";
import { AUDIO_TYPES, makeAudio, type AudioFormat } from "../speech-audio.ts";
import { countTokens, splitWords } from "../tokens.ts";
import { requireForm, requireModel, requireText } from "./models.ts";

const MAX_INPUT_CHARACTERS = 4096;
const MODIFIED = "Sat, 01 Nov 2025 00:00:00 GMT";
/** What the simulation takes for the length of any recording. */
const DURATION_SECONDS = 2;

/** `POST /v1/audio/speech`: audio as it is made, or events that carry it. */
export async function speech(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  requireModel(exchange);
  const input = requireText(exchange, "input");
  if (asText(body.voice) === undefined && asText(asObject(body.voice).id) === undefined)
    throw missing("voice");
  if (input.length > MAX_INPUT_CHARACTERS) {
    throw new Refusal(400, `'input' must have at most ${MAX_INPUT_CHARACTERS} characters.`, {
      code: "string_above_max_length",
      param: "input",
    });
  }
  const format = toFormat(body.response_format);
  const audio = makeAudio(format, settings.speechBytes);
  if (body.stream_format !== "sse") {
    return reply.flow(audio, {
      "content-type": AUDIO_TYPES[format],
      "content-disposition": `attachment; filename="speech.${format}"`,
      etag: `"${hash(input).toString(16)}"`,
      "last-modified": MODIFIED,
    });
  }
  await reply.openEvents(openaiEvents);
  let output = 0;
  for (const block of audio) {
    await reply.nextToken();
    output += 1;
    await reply.event(JSON.stringify({ type: "speech.audio.delta", audio: block.toString("base64") }));
  }
  const inputTokens = countTokens(input);
  const usage = { input_tokens: inputTokens, output_tokens: output, total_tokens: inputTokens + output };
  await reply.event(JSON.stringify({ type: "speech.audio.done", usage }), { role: "finish" });
  await reply.endEvents();
}

function toFormat(value: unknown): AudioFormat {
  const format = value ?? "mp3";
  if (typeof format === "string" && Object.hasOwn(AUDIO_TYPES, format)) return format as AudioFormat;
  throw new Refusal(400, `This backend makes ${Object.keys(AUDIO_TYPES).join(", ")} only.`, {
    code: "unsupported_value",
    param: "response_format",
  });
}

/**
 * `POST /v1/audio/transcriptions` and `/translations`. The text tells what arrived: size and SHA-256 of the file. The
 * JSON forms also list the fields, in a member `received` of the simulation.
 */
export function hear(task: "transcribe" | "translate"): Handler {
  return async function heard(exchange) {
    const { reply } = exchange;
    const form = requireForm(exchange);
    const model = requireModel(exchange);
    const file = form.files.find((candidate) => candidate.field === "file");
    if (!file) throw missing("file");
    const text = `I heard ${file.bytes} bytes of ${file.filename}, with the SHA-256 ${file.sha256}.`;
    // whisper-1 ignores the flag.
    if (field(form, "stream") === "true" && task === "transcribe" && model !== "whisper-1") {
      return streamed(exchange, text);
    }
    const format = field(form, "response_format") ?? "json";
    const write = WRITERS[format];
    if (!write) {
      throw new Refusal(400, `Unknown response_format '${format}'.`, { param: "response_format" });
    }
    await reply.tokens(countTokens(text));
    await write({ exchange, text, task, form, file });
  };
}

interface Heard {
  exchange: Exchange;
  text: string;
  task: "transcribe" | "translate";
  form: Form;
  file: FormFile;
}

const WRITERS: Readonly<Record<string, (heard: Heard) => Promise<void>>> = {
  json: ({ exchange, text, form, file }) =>
    exchange.reply.json({
      text,
      usage: { type: "duration", seconds: DURATION_SECONDS },
      received: received(form, file),
    }),
  verbose_json: ({ exchange, text, task, form, file }) =>
    exchange.reply.json({
      task,
      language: field(form, "language") ?? "english",
      duration: DURATION_SECONDS,
      text,
      segments: [segment(text, Number(field(form, "temperature") ?? 0))],
      usage: { type: "duration", seconds: DURATION_SECONDS },
      received: received(form, file),
    }),
  text: ({ exchange, text }) => plain(exchange, `${text}\n`),
  srt: ({ exchange, text }) => plain(exchange, `1\n00:00:00,000 --> 00:00:02,000\n${text}\n\n`),
  vtt: ({ exchange, text }) =>
    plain(exchange, `WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n${text}\n\n`, "text/vtt; charset=utf-8"),
};

async function plain(
  { reply }: Exchange,
  text: string,
  contentType = "text/plain; charset=utf-8",
): Promise<void> {
  await reply.whole(text, { "content-type": contentType });
}

async function streamed({ reply }: Exchange, text: string): Promise<void> {
  await reply.openEvents(openaiEvents);
  for (const delta of splitWords(text)) {
    await reply.nextToken();
    await reply.event(JSON.stringify({ type: "transcript.text.delta", delta }));
  }
  const output = splitWords(text).length;
  const usage = { type: "tokens", input_tokens: 1, output_tokens: output, total_tokens: 1 + output };
  await reply.event(JSON.stringify({ type: "transcript.text.done", text, usage }), { role: "finish" });
  await reply.endEvents();
}

function received(form: Form, file: FormFile): JsonObject {
  return { file, fields: form.fields };
}

function segment(text: string, temperature: number): JsonObject {
  return {
    id: 0,
    seek: 0,
    start: 0,
    end: DURATION_SECONDS,
    text,
    tokens: [],
    temperature,
    avg_logprob: -0.2,
    compression_ratio: 1,
    no_speech_prob: 0.01,
  };
}
