import { resolve as resolvePath } from "node:path";
import * as v from "valibot";
import { checkValue, type FaultList } from "./check.ts";
import { describeValue } from "./fault.ts";
import type { RawConfig } from "./merge.ts";
import type { ConfigMode } from "./mode-layers.ts";
import { isPlainObject } from "./plain-object.ts";
import { resolveSecret } from "./resolve-backends.ts";
import type { ServerConfig, StateConfig } from "./resolved.ts";
import { SectionSchemas } from "./schema.ts";
import { isMissingSecret, revealSecret } from "./secret.ts";

/** Flags of the command line: they win over everything. */
export interface ConfigOverrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
}

/** The parts of a config that need no knowledge of adapters and plugins, checked, defaults applied. */
export type Sections = { [Key in keyof typeof SectionSchemas]: v.InferOutput<(typeof SectionSchemas)[Key]> };

/** A section with faults is taken with its defaults, so that the rest can still be checked. */
export async function checkSections(raw: RawConfig, list: FaultList): Promise<Sections> {
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(SectionSchemas)) {
    const isKeyless = typeof raw[key] === "object" && raw[key] !== null && !isPlainObject(raw[key]);
    // Schemas read members alone, and would find none of theirs in a `Map`.
    if (isKeyless) list.add([key], { expected: "an object", received: describeValue(raw[key]) });
    const checked = isKeyless ? undefined : await checkValue(schema, raw[key], [key], list);
    sections[key] = checked ?? v.parse(schema, undefined);
  }
  return sections as Sections;
}

/** In-flight requests get as long as a stream may last, and never less than this, unless the config says so. */
const LEAST_DRAIN_MS = 60_000;

export function resolveServer(
  { server, timeouts }: Sections,
  { mode, overrides = {} }: { mode?: ConfigMode | undefined; overrides?: ConfigOverrides | undefined },
): ServerConfig {
  const host = mode === "development" ? "127.0.0.1" : "0.0.0.0";
  return {
    ...server,
    host: withoutBrackets(overrides.host ?? server.host ?? host),
    port: overrides.port ?? server.port,
    workers: overrides.workers ?? server.workers,
    preStopDelayMs: mode === "development" ? 0 : server.preStopDelayMs,
    drainTimeoutMs: server.drainTimeoutMs ?? Math.max(LEAST_DRAIN_MS, timeouts.maxStreamMs),
  };
}

/** `[::1]` is how URLs spell the address `::1` (RFC 3986, section 3.2.2). */
function withoutBrackets(host: string): string {
  return /^\[(.+:.*)\]$/.exec(host)?.[1] ?? host;
}

/** A folder of file state is held by one process. */
export function checkWorkers({ workers }: ServerConfig, { driver }: StateConfig, list: FaultList): void {
  if (driver !== "file" || workers === 1) return;
  list.add(["state", "driver"], {
    expected: `one that ${workers} workers can share`,
    received: '"file", which takes one process',
    hint: 'Set `state: { driver: "redis", url }`, or `server.workers: 1`.',
  });
}

export function resolveState(state: Sections["state"], dir: string, list: FaultList): StateConfig {
  if (state.driver === "memory") return state;
  if (state.driver === "file") return { ...state, dir: resolvePath(dir, state.dir) };
  const url = resolveSecret(state.url, ["state", "url"], list);
  if (url !== undefined && !isMissingSecret(url) && !/^rediss?:\/\//.test(revealSecret(url))) {
    list.add(["state", "url"], { expected: "a redis:// or rediss:// URL", received: "another text" });
  }
  return { ...state, url: url ?? state.url };
}
