import { defineGatewayConfig } from "../../../../core/src/config/define.ts";

// While types know no adapter, any name and any option may be meant; the check at start decides.
defineGatewayConfig({
  backends: { far: { adapter: "anything", region: "eu", models: ["m"] } },
  models: { best: { targets: [{ backend: "far" }] } },
});

// @ts-expect-error -- what every backend has is checked all the same
defineGatewayConfig({ backends: { far: { adapter: "anything", weight: "2", models: ["m"] } } });
defineGatewayConfig({
  backends: { far: { adapter: "x", models: [] } },
  // @ts-expect-error -- and so are names of backends
  models: { a: { targets: [{ backend: "fra" }] } },
});
