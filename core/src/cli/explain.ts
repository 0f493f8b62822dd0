import { defineCommand } from "citty";
import type { Backend } from "../backend.ts";
import { directMapping } from "../can-serve.ts";
import { formatFaults } from "../config/fault.ts";
import { loadGatewayConfig } from "../config/load.ts";
import { nearest } from "../config/nearest.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { toGatewayError, type GatewayError } from "../errors.ts";
import { Discovery } from "../models/discovery.ts";
import type { ModelTable } from "../models/model-table.ts";
import type { Operation } from "../operation.ts";
import { coreOperations } from "../operations/index.ts";
import { createRouter, type Via } from "../router.ts";
import { createState } from "../state/create-state.ts";
import type { Target } from "../target.ts";
import { createUndiciTransport } from "../transport/undici-transport.ts";
import { SETTLE_MS, tellingAfter } from "../wait.ts";
import { COMMON_FLAGS, readCommonFlags } from "./flags.ts";
import { checkUsage, UsageError } from "./usage.ts";

const args = {
  config: COMMON_FLAGS.config,
  json: { type: "boolean", description: "Print the outcome as JSON" },
  model: { type: "positional", description: "Name as a client would ask for it", required: false },
  operation: { type: "positional", description: "One of core's operations", default: "chat" },
} as const;

/** How a name is understood, and where it leads. */
interface Explanation {
  readonly model: string;
  readonly operation: string;
  readonly via?: Via;
  readonly of?: string;
  readonly targets: readonly ExplainedTarget[];
  readonly error?: { readonly status: number; readonly code: string; readonly message: string };
  /** Backends that did not tell their models. */
  readonly silent: readonly string[];
}

interface ExplainedTarget {
  readonly id: string;
  readonly backend: string;
  readonly adapter: string;
  readonly model: string;
  readonly weight: number;
  /** The backend speaks the client's dialect, or the request is translated. */
  readonly dialect: "same" | "translated";
  readonly price: Target["price"] | null;
}

export const explain = defineCommand({
  meta: { name: "explain", description: "Show how a model's name is understood, and where it leads" },
  args,
  async run({ args: given, rawArgs }) {
    checkUsage(rawArgs, args);
    const { model } = given;
    if (!model) throw new UsageError("Which model?");
    const operation = findOperation(given.operation);
    const wait = tellingAfter(SETTLE_MS, console.error);
    const loaded = await loadGatewayConfig({ file: readCommonFlags(given).configFile, wait });
    if (!loaded.ok) {
      console.error(formatFaults(loaded.faults));
      return 1;
    }
    const explanation = await explainModel(loaded.config, model, operation);
    console.log(given.json ? JSON.stringify(explanation) : toText(explanation));
    return explanation.error ? 1 : 0;
  },
});

function findOperation(name: string): Operation {
  const operations = coreOperations.filter((operation) => !operation.answer);
  const found = operations.find((operation) => operation.name === name);
  if (found) return found;
  const near = nearest(
    name,
    operations.map((operation) => operation.name),
  );
  throw new UsageError(`Core has no operation ${name}.${near ? ` Did you mean ${near}?` : ""}`);
}

async function explainModel(
  config: ResolvedConfig,
  model: string,
  operation: Operation,
): Promise<Explanation> {
  const backends = new Map<string, Backend>();
  for (const backend of config.backends) {
    const { connectMs } = backend.timeouts;
    const transport = createUndiciTransport(backend.baseURL, { connectMs, connections: 1 });
    backends.set(backend.name, { ...backend, transport });
  }
  const table = createRouter(config, backends);
  try {
    const silent = await askAll(config, backends, table);
    const outcome = resolve(table, model, operation);
    const found = table.find(model);
    return {
      model,
      operation: operation.name,
      ...(found && { via: found.via, of: found.of }),
      ...(Array.isArray(outcome)
        ? { targets: outcome.map((target) => toExplained(target, operation)) }
        : { targets: [], error: { status: outcome.status, code: outcome.code, message: outcome.message } }),
      silent,
    };
  } finally {
    await Promise.all([...backends.values()].map(({ transport }) => transport.destroy()));
  }
}

/** Asks every backend that the config gives no list of; names those that did not tell. */
async function askAll(
  config: ResolvedConfig,
  backends: ReadonlyMap<string, Backend>,
  table: ModelTable,
): Promise<string[]> {
  const names = config.backends
    .filter(({ discovers, enabled }) => discovers && enabled)
    .map(({ name }) => name);
  const state = await createState({ driver: "memory" });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const discovery = new Discovery(backends, { ...config.discovery, table, state, log, random: Math.random });
  const asked = await Promise.allSettled(names.map((name) => discovery.refresh(name)));
  discovery.close();
  await state.close();
  return names.filter((_, index) => asked[index]!.status === "rejected");
}

function resolve(table: ModelTable, model: string, operation: Operation): Target[] | GatewayError {
  try {
    return [...table.resolve(model, operation)];
  } catch (error) {
    return toGatewayError(error);
  }
}

function toExplained(target: Target, operation: Operation): ExplainedTarget {
  const { adapter, name } = target.backend;
  const mapping = directMapping(target, operation);
  return {
    id: target.id,
    backend: name,
    adapter: adapter.name,
    model: target.model,
    weight: target.weight,
    dialect: mapping && !mapping.toRequest ? "same" : "translated",
    price: target.price ?? null,
  };
}

const WAYS: Readonly<Record<Via, (of: string) => string>> = {
  configured: () => "a model of the config",
  listed: () => "a name that backends list",
  alias: (of) => `another name of ${of}`,
  vendor: (of) => `${of} behind a vendor prefix`,
  pattern: (of) => `within the pattern ${of}`,
};

function toText({ model, operation, via, of, targets, error, silent }: Explanation): string {
  const lines = [`${model}: ${via ? WAYS[via](of!) : "not known"}`];
  if (error) lines.push(`  ${operation}: ${error.status} ${error.code}: ${error.message}`);
  else lines.push(`  ${operation}: ${targets.length === 1 ? "1 target" : `${targets.length} targets`}`);
  for (const { backend, model: upstream, weight, adapter, dialect, price } of targets) {
    const cost = price ? `, ${price.prompt} and ${price.completion} USD a token` : "";
    const translated = dialect === "translated" ? ", translated" : "";
    lines.push(`  - ${backend} as ${upstream}, weight ${weight}, ${adapter}${translated}${cost}`);
  }
  for (const name of silent) lines.push(`  ${name} did not tell its models`);
  return lines.join("\n");
}
