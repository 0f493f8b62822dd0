/** One of several gateways that share a Redis. Run by `startGatewayProcess`; ends with its parent. */
import { concurrency } from "@gatewright/concurrency";
import { rateLimit } from "@gatewright/rate-limit";
import type { Plugin } from "gatewright";
import { openaiAt } from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import type { ProcessConfig } from "./_flood.ts";

const { plugin, options, redisUrl, backendUrl } = JSON.parse(process.argv[2]!) as ProcessConfig;
const factories: Record<ProcessConfig["plugin"], (options: object) => Plugin> = {
  "rate-limit": rateLimit,
  concurrency,
};
const gateway = await startTestGateway({
  // Many processes on few cores: what is measured is the count, not the time.
  state: { driver: "redis", url: redisUrl, timeoutMs: 10_000 },
  backends: { main: openaiAt({ url: backendUrl }) },
  plugins: [factories[plugin](options)],
});
process.send!(gateway.url);
process.on("disconnect", () => {
  void gateway.close().then(() => process.exit());
});
