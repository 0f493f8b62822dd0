import { anthropicApi } from "@gatewright/anthropic-api";
import { expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { answering, delta, DONE, event, MODEL, openaiAt, post, startStage, streamReply } from "./_stage.ts";
import type { Stage } from "./_stage.ts";

const IMAGE = [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }];

/** A message that is streamed before a backend that answers with these events, and the request's line of the log. */
async function ask(...events: string[]): Promise<{ dropped: string | null; line: Record<string, unknown> }> {
  const upstream = await answering(streamReply(...events, DONE));
  const stage: Stage = await startStage({
    backends: { main: openaiAt(upstream) },
    plugins: [anthropicApi()],
  });
  const body = { model: MODEL, max_tokens: 5, stream: true, messages: [{ role: "user", content: "Hello" }] };
  const reply = await post(`${stage.url}/v1/messages`, body, {
    headers: { "anthropic-version": "2023-06-01" },
  });
  expect(await reply.text()).toContain("message_stop");
  const find = (): string | undefined => stage.lines.find((line) => line.includes('"message":"request"'));
  await waitFor("the request's line", () => find() !== undefined);
  return {
    dropped: reply.headers.get("x-gatewright-dropped"),
    line: JSON.parse(find()!) as Record<string, unknown>,
  };
}

const image = (): string => event({ choices: [{ index: 0, delta: { images: IMAGE }, finish_reason: null }] });
const end = (finish_reason: string): string => event({ choices: [{ index: 0, delta: {}, finish_reason }] });

it("tells in the log what of a stream could not be carried after its header had gone out", async () => {
  const { dropped, line } = await ask(delta("Hello"), image(), end("odd"));
  expect(dropped).toBeNull();
  expect(line).toMatchObject({ outcome: "complete", dropped: "reply.images, reply.finish_reason" });
});

it("says nothing there of what the header has told", async () => {
  const { dropped, line } = await ask(image(), delta("Hello"), image(), end("stop"));
  expect(dropped).toBe("reply.images");
  expect(line).not.toHaveProperty("dropped");
});
