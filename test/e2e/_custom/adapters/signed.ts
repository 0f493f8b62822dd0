import { createHash } from "node:crypto";
import { defineAdapter } from "gatewright";

let issued = 0;

/** A backend of the tests: it wants each body signed with a token that was fetched, and speaks `rooms` natively. */
export default defineAdapter({
  name: "signed",
  provider: "test",
  auth: () => ({ "x-account": "from auth", "x-token": "none" }),
  async authorize({ method, url, body }, { apiKey, refused }) {
    if (apiKey === "broken") throw new Error("https://token.internal said no to broken");
    if (refused && apiKey === "fixed") return undefined;
    if (refused || issued === 0) issued++;
    const digest = createHash("sha256").update(`${method} ${url.pathname} ${String(body)}`);
    return { "x-token": `token-${issued}`, "x-signature": digest.digest("hex") };
  },
  operations: {
    chat: { path: "/chat" },
    rooms: { path: ({ model }) => `/rooms/${encodeURIComponent(model)}` },
  },
});
