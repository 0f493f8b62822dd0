import * as v from "valibot";
import { isAddressRange } from "../address-range.ts";
import { isSecret, type Secret } from "./secret.ts";

/**
 * What a config may hold: the run-time check, the types that editors complete, the defaults and the reference in
 * one. A message given to a schema here is the text of "expected" in a fault.
 */

const MIB = 1024 * 1024;

/** No time limit of the gateway is longer. */
const MAX_TIMEOUT_MS = 600_000;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const timeout = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_TIMEOUT_MS));
const weight = v.pipe(v.number(), v.finite(), v.minValue(0));
const name = v.pipe(v.string(), v.nonEmpty());
const named = (expected: string) => v.pipe(v.string(expected), v.nonEmpty(expected));
const addressRange = v.pipe(
  v.string(),
  v.check(isAddressRange, "an IP address, or a range such as 10.0.0.0/8"),
);

/** Made by `env()`, or plain text; either way nothing prints it. */
const secretOf = (expected: string) =>
  v.pipe(
    v.union([v.custom<Secret>(isSecret), v.pipe(v.string(), v.nonEmpty())], expected),
    v.metadata({ secret: true }),
  );
const secret = secretOf("a secret from env(), or a string");

export const LimitsSchema = v.strictObject({
  /** Largest JSON body, in bytes. @default 20 MiB */
  jsonBytes: v.optional(positive, 20 * MIB),
  /** Deepest nesting of a JSON body. @default 128 */
  jsonDepth: v.optional(positive, 128),
  /** Most values, keys included, in one JSON body. At most 10,000 of them at the top. @default 500_000 */
  jsonValues: v.optional(positive, 500_000),
  /** Longest text to be spoken, in characters: OpenAI's own limit, where backends may take more. @default 4_096 */
  speechCharacters: v.optional(positive, 4_096),
  /** Largest part of a multipart body, in bytes. @default 100 MiB */
  partBytes: v.optional(positive, 100 * MIB),
  /** Largest upload that is kept because `model` comes behind a file, in bytes. @default 256 MiB */
  spoolBytes: v.optional(positive, 256 * MIB),
  /** Largest picture of an image edit or variation, in bytes. @default 4 MiB */
  imageBytes: v.optional(positive, 4 * MIB),
  /** Most parts of a multipart body. @default 50 */
  parts: v.optional(positive, 50),
  /** Headers of one part, in bytes. @default 8 KiB */
  partHeaderBytes: v.optional(positive, 8 * 1024),
  /** Request line and headers together, in bytes. @default 16 KiB */
  headerBytes: v.optional(positive, 16 * 1024),
  /** Longest URL, in bytes. @default 8 KiB */
  urlBytes: v.optional(positive, 8 * 1024),
  /** Time to the end of the request headers. @default 10_000 */
  headersTimeoutMs: v.optional(positive, 10_000),
  /** Time to the end of a JSON body; uploads need 1 KiB/s instead. @default 60_000 */
  bodyTimeoutMs: v.optional(positive, 60_000),
  /** How long an idle connection is kept: longer than any balancer in front does. @default 65_000 */
  keepAliveMs: v.optional(positive, 65_000),
  /** A client that takes nothing for so long is cut off. @default 60_000 */
  writeTimeoutMs: v.optional(positive, 60_000),
  /** A comment goes into an event stream that was silent for so long; 0 sends none. @default 15_000 */
  streamKeepAliveMs: v.optional(count, 15_000),
  /** Most connections open at once; 0 is no limit. @default 0 */
  maxConnections: v.optional(count, 0),
  /**
   * Largest whole (not streamed) upstream reply held in memory, in bytes. One that has to be read, since it is
   * translated, may hold a value for each 8 of them, a key counting as 4 and a list or object as 8, and be nested as deep
   * as `jsonDepth`; others pass. @default 64 MiB
   */
  replyBytes: v.optional(positive, 64 * MIB),
});

export const ServerSchema = v.strictObject({
  /** Address to listen on. @default "0.0.0.0", and "127.0.0.1" for `gatewright dev` */
  host: v.optional(name),
  /** Port to listen on; 0 takes a free one. @default 8080 */
  port: v.optional(v.pipe(count, v.maxValue(65_535)), 8080),
  /** Processes that share the port. @default 1 */
  workers: v.optional(v.pipe(positive, v.maxValue(1024)), 1),
  /** Addresses or CIDR ranges of proxies whose forwarding headers are believed. @default none */
  trustedProxies: v.optional(v.array(addressRange), []),
  /** Sizes and times that a client is held to. */
  limits: v.optional(LimitsSchema, {}),
  /** After SIGTERM: how long readiness fails while connections are still accepted; never for `gatewright dev`. @default 5_000 */
  preStopDelayMs: v.optional(count, 5_000),
  /** After that: how long running requests may take. @default `timeouts.maxStreamMs`, at least 60_000 */
  drainTimeoutMs: v.optional(count),
  /** At last: how long each plugin may take to close; also when a reload retires it. @default 5_000 */
  closeTimeoutMs: v.optional(count, 5_000),
});

export const StateSchema = v.variant("driver", [
  v.strictObject({
    /** Kept in this process, gone with it. */
    driver: v.literal("memory"),
    /** Most keys held; the oldest go first. */
    maxKeys: v.optional(positive),
  }),
  v.strictObject({
    /** Kept in files, safe over a crash; for one process. */
    driver: v.literal("file"),
    /** Folder of the files, relative to the config. @default ".gatewright" */
    dir: v.optional(name, ".gatewright"),
    /** Longest time between a change and its write. */
    flushMs: v.optional(positive),
  }),
  v.strictObject({
    /** Kept in Redis or Valkey, shared by all processes. */
    driver: v.literal("redis"),
    /** `redis://` or `rediss://` URL; a password in it is kept secret. */
    url: secretOf("a redis:// or rediss:// URL, as text or from env()"),
    /** Put before every key. */
    prefix: v.optional(v.string()),
    /** Longest wait for an answer of the store. */
    timeoutMs: v.optional(positive),
    /** The URL names a node of a Redis Cluster. */
    cluster: v.optional(v.boolean()),
  }),
]);

export const LogSchema = v.strictObject({
  /** Least level that is written. @default "info" */
  level: v.optional(v.picklist(["debug", "info", "warn", "error", "silent"]), "info"),
  /** `auto`: pretty on a terminal, JSON lines otherwise. @default "auto" */
  format: v.optional(v.picklist(["auto", "pretty", "json"]), "auto"),
  /** One line a request. @default true */
  requests: v.optional(v.boolean(), true),
});

/** Milliseconds, at most 600_000; 0 switches a limit off. */
export const TimeoutsSchema = v.strictObject({
  /** DNS, TCP and TLS. @default 5_000 */
  connectMs: v.optional(timeout, 5_000),
  /**
   * To the response headers, once the request is sent. A call waits for a free connection so long as well.
   * @default 60_000
   */
  firstByteMs: v.optional(timeout, 60_000),
  /** Streams: to the first content event. @default 0, off */
  firstTokenMs: v.optional(timeout, 0),
  /** Between two chunks of a body. @default 60_000 */
  idleMs: v.optional(timeout, 60_000),
  /** One whole attempt, up to the first content event of a stream. @default 0, off */
  attemptMs: v.optional(timeout, 0),
  /**
   * The whole request, queueing and every attempt included, up to the first content event. The time in which a client
   * uploads a form is left out. @default 60_000
   */
  totalMs: v.optional(timeout, 60_000),
  /** A stream after its first content event. @default 600_000 */
  maxStreamMs: v.optional(timeout, MAX_TIMEOUT_MS),
});

/** How backends that list no models are asked for theirs. */
export const DiscoverySchema = v.strictObject({
  /** Time between two questions; after a failure it is asked sooner. @default 900_000 */
  intervalMs: v.optional(positive, 900_000),
  /** Longest wait for an answer. @default 10_000 */
  timeoutMs: v.optional(v.pipe(positive, v.maxValue(MAX_TIMEOUT_MS)), 10_000),
});

const amount = v.pipe(v.number("a number of US dollars for one token"), v.finite(), v.minValue(0));

/** US dollars for one token. */
export const PriceSchema = v.strictObject({
  /** A token of the request. */
  prompt: amount,
  /** A token of the answer. */
  completion: amount,
  /** A token of the request that the backend had in its cache. @default that of `prompt` */
  cachedPrompt: v.optional(amount),
});

/** What may be said of a model. The narrowest place wins: a target, then its model, then its backend. */
const facts = {
  /** US dollars for one token. */
  price: v.optional(PriceSchema),
  /** What the model can do, in words of your own, such as `vision` or `tools`; shown in the model list. */
  capabilities: v.optional(v.array(name)),
  /** Longest request, in tokens. */
  maxInputTokens: v.optional(positive),
  /** Longest answer, in tokens. */
  maxOutputTokens: v.optional(positive),
};

/** What every backend has; the adapter's own options stand beside these. */
export const BackendSchema = v.looseObject({
  /**
   * The dialect that the backend speaks: a built-in adapter, or a file of your own `adapters/` folder. `auto` asks the
   * server at `baseURL` what it is, at the start.
   */
  adapter: named('the name of an adapter, such as "openai" or "ollama"'),
  /** `http://` or `https://`; may be left out where the adapter knows it. */
  baseURL: v.optional(v.string()),
  /** Credential of the gateway at the backend: `env("NAME")`. */
  apiKey: v.optional(secret),
  /** Share of the load beside other backends of a model; 0 gets nothing. @default 1 */
  weight: v.optional(weight, 1),
  /**
   * Models that the backend serves, by its own names; one with `*` stands for all names that fit. `"discover"` asks
   * the backend, again and again. @default "discover"
   */
  models: v.optional(v.union([v.array(name), v.literal("discover")], 'a list of names, or "discover"')),
  /** Before a colon it asks for this backend: `openai:gpt-4.1`. @default those of the adapter */
  vendorPrefixes: v.optional(v.array(v.pipe(name, v.regex(/^[^:]*$/, "text without a colon")))),
  /** `false` takes the backend out: it gets nothing, and its models are not listed. @default true */
  enabled: v.optional(v.boolean(), true),
  ...facts,
  /** Limits of attempts at this backend; those left out are the gateway's. */
  timeouts: v.optional(v.partial(TimeoutsSchema), {}),
  /** Most connections open at once. @default 1024 */
  connections: v.optional(positive, 1024),
});

export const TargetSchema = v.strictObject({
  /** Name of an entry of `backends`. */
  backend: named("the name of a backend"),
  /** The model's name there; `*` in it stands for the name that the client asks for. @default "*" */
  model: v.optional(name),
  /** Share of the load beside the other targets; 0 gets nothing. @default the backend's weight */
  weight: v.optional(weight),
  ...facts,
});

export const ModelSchema = v.strictObject({
  /** Where requests for the model may go. @default the backends that serve a model of this name */
  targets: v.optional(v.pipe(v.array(TargetSchema), v.nonEmpty("at least one target"))),
  /** Further names of the model. */
  aliases: v.optional(v.array(name), []),
  /** The public name of the model: a further name, shown as `canonical_name` in the model list. */
  canonicalName: v.optional(name),
  ...facts,
});

/** The parts of a config that need no knowledge of adapters and plugins. */
export const SectionSchemas = {
  /** Listening, limits of clients, shutdown. */
  server: v.optional(ServerSchema, {}),
  /** Where plugins keep state. */
  state: v.optional(StateSchema, { driver: "memory" }),
  /** What is logged, and how. */
  log: v.optional(LogSchema, {}),
  /** Time limits of upstream calls. */
  timeouts: v.optional(TimeoutsSchema, {}),
  /** How backends that list no models are asked for theirs. */
  discovery: v.optional(DiscoverySchema, {}),
  /** Model of requests that name none, by operation. */
  defaultModels: v.optional(v.record(v.string(), name), {}),
} as const;

/** Everything that may stand at the top of a config, for overrides by environment and for spelling. */
export const ConfigSchema = v.strictObject({
  ...SectionSchemas,
  backends: v.record(v.string(), BackendSchema),
  models: v.optional(v.record(v.string(), ModelSchema), {}),
  plugins: v.optional(v.array(v.unknown()), []),
});
