// Each mistake is one error with a message that names it: see the test beside.
import { defineGatewayConfig } from "../../../../core/src/config/define.ts";
import { limit, locked } from "./_adapters.mts";

defineGatewayConfig({
  backends: {
    a: { adapter: "plian", models: ["m"] },
    b: { adapter: "plain", models: ["m"], wieght: 2 },
    c: { adapter: "regional", models: ["m"] },
    d: { adapter: "regional", models: ["m"], region: "mars" },
  },
  models: { best: { targets: [{ backend: "e" }] } },
  plugins: [limit({ capcity: 1 }), locked({}), limit],
});
