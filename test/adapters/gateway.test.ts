import { listAdapters } from "../../scripts/generate-adapters.ts";
import { testThroughGateway } from "./_gateway-suite.ts";

for (const name of listAdapters()) testThroughGateway(name);
