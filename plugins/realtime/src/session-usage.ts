import { isJsonObject, readUsage } from "gatewright";
import type { Usage } from "gatewright";

const MARK = Buffer.from('"response.done"');

/** What an answer cost: `response.done` tells it once for each. Other events, audio above all, are not parsed. */
export function sessionUsage(message: Buffer): Usage | undefined {
  if (!message.includes(MARK)) return undefined;
  const event = parse(message);
  if (!isJsonObject(event) || event["type"] !== "response.done") return undefined;
  const { response } = event;
  const usage = isJsonObject(response) ? response["usage"] : undefined;
  if (!isJsonObject(usage)) return undefined;
  // Details are spelled otherwise than in the rest of OpenAI's API
  // (https://developers.openai.com/api/reference/resources/realtime/server-events).
  const input_tokens_details = usage["input_token_details"];
  const output_tokens_details = usage["output_token_details"];
  return readUsage({ usage: { ...usage, input_tokens_details, output_tokens_details } });
}

/** What is no JSON is the backend's and the client's business. */
function parse(message: Buffer): unknown {
  try {
    return JSON.parse(message.toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
