import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface GatewayChild extends AsyncDisposable {
  readonly url: string;
  /** Runs the work, and gives how far the memory of the gateway's process rose above what it was before, in bytes. */
  growthOf(work: () => Promise<void>): Promise<number>;
}

/** Starts a gateway from its sources in a process of its own. The config must be plain JSON. */
export async function startGatewayChild(config: Record<string, unknown>): Promise<GatewayChild> {
  const child = fork(fileURLToPath(new URL("_gateway-child.ts", import.meta.url)), {
    execArgv: ["--conditions=gatewright-source", "--import", "tsx"],
  });
  async function ask<T>(message: object | string): Promise<T> {
    child.send(message);
    const [answer] = (await once(child, "message")) as [T];
    return answer;
  }
  const { url } = await ask<{ url: string }>(config);
  return {
    url,
    async growthOf(work) {
      const { rss } = await ask<{ rss: number }>("reset");
      await work();
      const { peak } = await ask<{ peak: number }>("peak");
      return peak - rss;
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}
