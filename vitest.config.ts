import { defineConfig } from "vitest/config";

const conditions = ["gatewright-source", "node", "import", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["gatewright-source"] } },
  test: {
    exclude: ["**/node_modules/**"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    typecheck: { enabled: false },
    // Two projects, so that only a run that reaches the compatibility tests installs the SDKs they drive.
    projects: [
      {
        extends: true,
        test: {
          name: "gateway",
          include: ["test/**/*.test.ts"],
          exclude: ["test/compat/**", "test/registry/node_modules/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "compat",
          include: ["test/compat/*.test.ts"],
          globalSetup: "test/_support/install-compat.ts",
        },
      },
    ],
  },
});
