import { readFileSync } from "node:fs";
import type { Answers } from "../answers.ts";
import { PLUGINS } from "../plugins.ts";

/** All packages of Gatewright have one version, this one's. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;

/** Packages of others, in the versions that Gatewright is tested with. */
export const OTHERS = {
  "@types/node": "20.19.43",
  ioredis: "5.11.1",
  typescript: "7.0.2",
  valibot: "1.5.0",
} as const;

/** `package.json`. */
export function renderManifest(name: string, { plugins, state, example }: Answers): string {
  const chosen = PLUGINS.filter(({ id }) => plugins.has(id)).map(({ id }) => `@gatewright/${id}`);
  const others = [
    ...(state === "redis" ? (["ioredis"] as const) : []),
    ...(example ? (["valibot"] as const) : []),
  ];
  const manifest = {
    name,
    version: "0.0.0",
    private: true,
    type: "module",
    scripts: {
      dev: "gatewright dev",
      start: "gatewright start",
      check: "gatewright check",
    },
    dependencies: sorted([
      ...["@gatewright/adapters", "gatewright", ...chosen].map((own): [string, string] => [own, VERSION]),
      ...others.map((other): [string, string] => [other, OTHERS[other]]),
    ]),
    devDependencies: { "@types/node": OTHERS["@types/node"], typescript: OTHERS.typescript },
    engines: { node: "^20.19.0 || >=22.12.0" },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function sorted(entries: [string, string][]): Record<string, string> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
