import { readExchanges, testAdapter } from "@gatewright/adapter-tests";
import parrot, { fields } from "./parrot.ts";

testAdapter(parrot, {
  exchanges: readExchanges(new URL("./fixtures/", import.meta.url)),
  fields,
  models: {
    body: { birds: [{ name: "polly" }, { name: "coco" }] },
    listed: [{ id: "polly" }, { id: "coco" }],
  },
});
