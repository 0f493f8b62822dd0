/** A gateway in a process of its own, so that its memory can be told from the test's. Run by `startGatewayChild`. */
import { startTestGateway } from "../_support/gateway.ts";

/** How often memory is looked at, in milliseconds. */
const SAMPLE_MS = 5;

let peak = 0;
const sample = (): void => {
  peak = Math.max(peak, process.memoryUsage.rss());
};

process.once("message", (config) => {
  void startTestGateway(config as Record<string, unknown>).then((gateway) => {
    process.send!({ url: gateway.url });
    setInterval(sample, SAMPLE_MS);
    process.on("message", (message) => {
      if (message === "reset") peak = 0;
      sample();
      process.send!({ rss: process.memoryUsage.rss(), peak });
    });
  });
});
process.on("disconnect", () => process.exit());
