import type { Adapter } from "../adapter.ts";
import { detectAdapter, type Unrecognised } from "../models/detect-adapter.ts";
import type { FaultList } from "./check.ts";
import { isPlainObject } from "./plain-object.ts";
import { isMissingSecret, isSecret, revealSecret } from "./secret.ts";

/** In place of an adapter's name: the server is asked. */
export const AUTO = "auto";

const REASONS: Readonly<Record<Unrecognised, string>> = {
  unreachable: "it does not answer",
  failing: "it answers with errors of its own",
  refused: "it refuses the credential",
  unknown: "it is none that an adapter knows",
};

export interface DetectedBackends {
  /** The raw backends, those with `adapter: "auto"` under what their servers turned out to be. */
  readonly backends: Record<string, unknown>;
  /** Names of those whose servers cannot be asked now, each with a line that says so. */
  readonly absent: ReadonlyMap<string, string>;
}

/**
 * Asks servers what they are. One that cannot be asked now, since it starts or is down, is a fault only where there is no
 * other backend.
 */
export async function detectAdapters(
  backends: Readonly<Record<string, unknown>>,
  adapters: ReadonlyMap<string, Adapter>,
  list: FaultList,
): Promise<DetectedBackends> {
  const entries = Object.entries(backends);
  const found = await Promise.all(entries.map(([, backend]) => recognise(backend, adapters)));
  const allAway = found.every(({ isAway }) => isAway);
  const absent = new Map<string, string>();
  const named = entries.map(([name, raw], index): [string, unknown] => {
    const { backend = raw, why, isAway } = found[index]!;
    if (why === undefined) return [name, backend];
    const at = ["backends", name, "adapter"];
    const message = `${list.place(at)}: the server cannot be recognised: ${why}`;
    if (isAway && !allAway) absent.set(name, `${message}. The others serve without it; it is asked again.`);
    else
      list.add(at, {
        expected: "a server that an adapter knows",
        received: "none",
        message,
        hint: "Start it, or name the adapter.",
      });
    return [name, raw];
  });
  return { backends: Object.fromEntries(named), absent };
}

export interface Recognised {
  /** The raw backend under the name of its adapter. */
  readonly backend?: unknown;
  /** Why nobody knows. */
  readonly why?: string;
  /** It may be seen later. */
  readonly isAway?: boolean;
}

/** Asks one server; a backend that names its adapter is as it is. */
export async function recognise(
  backend: unknown,
  adapters: ReadonlyMap<string, Adapter>,
): Promise<Recognised> {
  if (!isPlainObject(backend) || backend["adapter"] !== AUTO) return { backend };
  const { baseURL, apiKey } = backend;
  if (typeof baseURL !== "string" || !/^https?:\/\//.test(baseURL) || !URL.canParse(baseURL))
    return { why: "`baseURL` must be an http:// or https:// URL" };
  const found = await detectAdapter(new URL(baseURL), adapters.values(), keyOf(apiKey));
  if (found.adapter)
    return { backend: { ...backend, adapter: found.adapter.name, baseURL: found.baseURL.href } };
  const { reason } = found;
  return { why: REASONS[reason], isAway: reason === "unreachable" || reason === "failing" };
}

function keyOf(apiKey: unknown): string | undefined {
  if (typeof apiKey === "string") return apiKey;
  return isSecret(apiKey) && !isMissingSecret(apiKey) ? revealSecret(apiKey) : undefined;
}
