import { defineAdapter } from "gatewright";

/** A server whose paths end with the version of its API. */
export default defineAdapter({
  name: "versioned",
  provider: "test",
  auth: () => ({}),
  operations: { responses: { path: "/responses?version=1" } },
});
