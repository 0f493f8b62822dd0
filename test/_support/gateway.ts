import { fileURLToPath } from "node:url";
import { resolveConfig, serve, type RunningServer } from "gatewright";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A gateway under test, on a free port, and the lines it logged. */
export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly server: RunningServer;
  readonly lines: string[];
  close(): Promise<void>;
}

/** Resolves a config as a file in `dir` would be, and serves it. Throws the faults of a config that has any. */
export async function startTestGateway(
  config: Record<string, unknown>,
  dir: string = root,
): Promise<TestGateway> {
  const lines: string[] = [];
  const resolved = await resolveConfig(
    {
      log: { level: "info", format: "json" },
      ...config,
      server: { port: 0, host: "127.0.0.1", ...(config["server"] as object) },
    },
    { dir },
  );
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults, null, 2));
  const server = await serve(resolved.config, { logSink: { write: (text) => lines.push(text) } });
  const close = async (): Promise<void> => {
    await server.stop(0);
  };
  return { url: server.url, port: server.port, server, lines, close, [Symbol.asyncDispose]: close };
}
