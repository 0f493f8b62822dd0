import type { Answers, ChosenBackend } from "../answers.ts";
import { PLUGINS, type PluginKind } from "../plugins.ts";
import { GATEWAY_KEY, REDIS_URL } from "./variables.ts";

/** As wide as the lines of this repository, so that a formatter has nothing to do. */
const WIDTH = 110;

/** `gateway.config.ts`. */
export function renderConfig(answers: Answers): string {
  const plugins = PLUGINS.filter(({ id }) => answers.plugins.has(id));
  const body = [
    `  server: { port: ${answers.port} },`,
    `  state: ${renderState(answers)},`,
    "  backends: {",
    "    // None lists its models here, so each is asked for them.",
    ...answers.backends.map(renderBackend),
    "  },",
    ...renderPlugins(plugins, answers),
  ].join("\n");
  const names = body.includes("env(") ? "defineGatewayConfig, env" : "defineGatewayConfig";
  return [
    `import { ${names} } from "gatewright";`,
    ...plugins.map(({ id, factory }) => `import { ${factory} } from "@gatewright/${id}";`).sort(byPackage),
    ...(answers.example ? [`import { messageLimit } from "./plugins/message-limit.ts";`] : []),
    "",
    `export default defineGatewayConfig({\n${body}\n});\n`,
  ].join("\n");
}

function byPackage(a: string, b: string): number {
  const name = (line: string): string => line.slice(line.indexOf("@"));
  return name(a) < name(b) ? -1 : 1;
}

function renderState({ state }: Answers): string {
  const rest = { memory: "", file: `, dir: ".gatewright"`, redis: `, url: env("${REDIS_URL}")` }[state];
  return `{ driver: "${state}"${rest} }`;
}

function renderBackend({ kind, url }: ChosenBackend): string {
  const members = [
    `adapter: "${kind.id}"`,
    ...(url === undefined ? [] : [`baseURL: ${JSON.stringify(url)}`]),
    ...(kind.key ? [`apiKey: env("${kind.key.variable}")`] : []),
  ];
  const line = `    ${kind.name}: { ${members.join(", ")} },`;
  if (line.length <= WIDTH) return line;
  return [`    ${kind.name}: {`, ...members.map((member) => `      ${member},`), "    },"].join("\n");
}

function renderPlugins(plugins: readonly PluginKind[], answers: Answers): string[] {
  const calls = plugins.map(({ id, factory }) => ({ id, call: `${factory}(${renderOptions(id, answers)})` }));
  if (answers.example) {
    // It reads bodies: after what refuses without them, before what runs once an attempt.
    const place = calls.findIndex(({ id }) => id !== "api-keys" && id !== "rate-limit");
    const at = place === -1 ? calls.length : place;
    calls.splice(at, 0, { id: "message-limit", call: "messageLimit({ limit: 200 })" });
  }
  if (calls.length === 0) return ["  plugins: [],"];
  return [
    "  plugins: [",
    `    // ${renderOrder(calls.some(({ id }) => id === "retry"))}`,
    ...calls.map(({ call }) => `    ${call},`),
    "  ],",
  ];
}

function renderOrder(retries: boolean): string {
  if (!retries) return "The list is the order of the chain.";
  return "The list is the order: before `retry` once a request, after it once an attempt.";
}

function renderOptions(id: string, { plugins }: Answers): string {
  switch (id) {
    case "api-keys":
      return `{ keys: [{ id: "app", key: env("${GATEWAY_KEY}") }] }`;
    case "rate-limit":
      return `{ scope: "${plugins.has("api-keys") ? "key" : "client-ip"}", rate: 60, per: "minute" }`;
    case "retry":
      return "{ maxAttempts: 3 }";
    case "circuit-breaker":
      return "{ failureThreshold: 5, openMs: 60_000 }";
    case "balancer":
      return `{ strategy: "round-robin" }`;
    default:
      return "";
  }
}
