import type { Adapter } from "../adapter.ts";
import { detectAdapter, type Detection } from "../models/detect-adapter.ts";
import type { FaultList } from "./check.ts";
import { pathText } from "./fault.ts";
import { isPlainObject } from "./merge.ts";
import { isMissingSecret, isSecret, revealSecret } from "./secret.ts";

/** In place of an adapter's name: the server is asked. */
export const AUTO = "auto";

const REASONS: Readonly<Record<NonNullable<Extract<Detection, { adapter?: undefined }>["reason"]>, string>> =
  {
    unreachable: "it does not answer",
    refused: "it refuses the credential",
    unknown: "it is none that an adapter knows",
  };

/** The raw backends, those with `adapter: "auto"` under what their servers turned out to be. */
export async function detectAdapters(
  backends: Readonly<Record<string, unknown>>,
  adapters: ReadonlyMap<string, Adapter>,
  list: FaultList,
): Promise<Record<string, unknown>> {
  const detected = await Promise.all(
    Object.entries(backends).map(async ([name, backend]) => {
      if (!isPlainObject(backend) || backend["adapter"] !== AUTO) return [name, backend] as const;
      return [name, await detectBackend(name, backend, adapters, list)] as const;
    }),
  );
  return Object.fromEntries(detected);
}

async function detectBackend(
  name: string,
  backend: Record<string, unknown>,
  adapters: ReadonlyMap<string, Adapter>,
  list: FaultList,
): Promise<Record<string, unknown>> {
  const { baseURL, apiKey } = backend;
  const at = ["backends", name, "adapter"];
  const refuse = (why: string): Record<string, unknown> => {
    list.add(at, {
      expected: "a server that an adapter knows",
      received: "none",
      message: `${pathText(at)}: the server cannot be recognised: ${why}`,
      hint: "Start it, or name the adapter.",
    });
    return backend;
  };
  if (typeof baseURL !== "string" || !/^https?:\/\//.test(baseURL) || !URL.canParse(baseURL))
    return refuse("`baseURL` must be an http:// or https:// URL");
  const detection = await detectAdapter(new URL(baseURL), adapters.values(), keyOf(apiKey));
  if (!detection.adapter) return refuse(REASONS[detection.reason]);
  return { ...backend, adapter: detection.adapter.name, baseURL: detection.baseURL.href };
}

function keyOf(apiKey: unknown): string | undefined {
  if (typeof apiKey === "string") return apiKey;
  return isSecret(apiKey) && !isMissingSecret(apiKey) ? revealSecret(apiKey) : undefined;
}
