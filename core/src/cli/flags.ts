import type { ArgsDef } from "citty";
import { toPort } from "./usage.ts";

/** Flags that every command takes. */
export const COMMON_FLAGS = {
  config: { type: "string", alias: "c", description: "Config file", valueHint: "file" },
  port: {
    type: "string",
    alias: "p",
    description: "Port to listen on; 0 takes a free one",
    valueHint: "port",
  },
  host: { type: "string", alias: "H", description: "Address to listen on", valueHint: "address" },
} as const satisfies ArgsDef;

/** Values of the common flags, checked. */
export function readCommonFlags(args: { config?: string; port?: string; host?: string }): {
  configFile: string | undefined;
  port: number | undefined;
  host: string | undefined;
} {
  return {
    configFile: args.config,
    port: toPort(args.port),
    host: args.host,
  };
}
