import { describe, expect, it } from "vitest";
import { loadGatewayConfig } from "../../../core/src/config/load.ts";
import { formatFaults } from "../../../core/src/config/fault.ts";
import { configSource, createProject } from "./_project.ts";

describe("loadGatewayConfig", () => {
  it("loads TypeScript with every default filled", async () => {
    const project = await createProject({ "gateway.config.ts": configSource("") });
    const result = await loadGatewayConfig({ cwd: project.dir });
    if (!result.ok) throw new Error(formatFaults(result.faults));
    expect(result.config).toMatchObject({
      dir: project.dir,
      file: project.path("gateway.config.ts"),
      server: { host: "0.0.0.0", port: 8080, workers: 1, preStopDelayMs: 5000, drainTimeoutMs: 600_000 },
      state: { driver: "memory" },
      log: { level: "info", format: "auto", requests: true },
    });
  });
});
