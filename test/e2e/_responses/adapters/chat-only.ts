import { defineAdapter } from "gatewright";

/** A server that took OpenAI's API over and has no more of it than chat. */
export default defineAdapter({
  name: "chat-only",
  provider: "test",
  auth: () => ({}),
  operations: { chat: { path: "/chat/completions", streamUsage: true } },
});
