import { defineAdapter } from "gatewright";

/** A server that takes responses and keeps none. */
export default defineAdapter({
  name: "forgetful",
  provider: "test",
  auth: () => ({}),
  operations: { responses: { path: "/responses", stateless: true } },
});
