import { extendAdapter } from "gatewright";

/**
 * A server with OpenAI's API that takes its key in a header of its own. Found by being here; a backend of the config
 * names it: `{ adapter: "team-server", baseURL: "https://llm.example.com/v1", apiKey: env("TEAM_SERVER_KEY") }`.
 */
export default extendAdapter({
  extends: "openai-compatible",
  auth: { header: "x-team-key" },
  paths: { speech: false },
});

/** Makes the name known to the types of the config. */
declare module "gatewright" {
  interface AdapterRegistry {
    "team-server": AdapterRegistry["openai-compatible"];
  }
}
