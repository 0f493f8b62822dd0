/** A front door before one played backend, for operations whose dialect the backend speaks itself. */
import { playBackend } from "@gatewright/adapter-tests";
import type { Received, UpstreamReply } from "@gatewright/adapter-tests";
import { defineGatewayPlugin, defineOperation, resolveConfig, serve } from "gatewright";
import type { Dialect, JsonObject, Operation } from "gatewright";
import * as v from "valibot";

const dialect: Dialect = {
  name: "native",
  errorBody: ({ code }) => JSON.stringify({ failed: code }),
  errorEvent: ({ code }) => `data: ${JSON.stringify({ failed: code })}\n\n`,
};
const door = { method: "POST", dialect, body: "json", reply: "json", replaySafe: true } as const;

const generateContent: Operation = defineOperation({
  ...door,
  name: "generateContent",
  paths: ["/native/generate"],
  ownMembers: ["model", "stream"],
  modelMember: "modelVersion",
  wantsStream: (body) => body.get("stream") === true,
  stream: {
    isContent: () => true,
    finishes: ({ candidates }) =>
      (candidates as JsonObject[]).filter(({ finishReason }) => finishReason !== undefined).length,
    modelAt: ["modelVersion"],
    terminator: null,
  },
});

const messages: Operation = defineOperation({
  ...door,
  name: "messages",
  paths: ["/native/messages"],
  wantsStream: (body) => body.get("stream") === true,
  stream: {
    isContent: ({ type }) => type === "content_block_delta",
    finishes: ({ type }) => (type === "message_stop" ? 1 : 0),
    eventName: ({ type }) => String(type),
    modelAt: ["message", "model"],
    terminator: null,
  },
});

const frontDoor = defineGatewayPlugin({
  name: "native",
  options: v.optional(v.strictObject({})),
  setup: () => ({ operations: [generateContent, messages] }),
});

export interface NativeAnswer {
  status: number;
  text: string;
  received: Received[];
}

/** Asks a gateway whose one backend has the given adapter, and whose model `small` is `model` there. */
export async function askNative(
  backend: { adapter: string; model: string; options?: JsonObject; apiKey: string },
  reply: UpstreamReply,
  path: string,
  body: JsonObject,
): Promise<NativeAnswer> {
  const played = await playBackend(reply);
  const { adapter, model, options, apiKey } = backend;
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: { one: { adapter, apiKey, baseURL: played.url, models: [model], ...options } },
      models: { small: { targets: [{ backend: "one", model }] } },
      plugins: [frontDoor()],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  try {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-goog-api-key": "client-key" },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text(), received: played.received };
  } finally {
    await gateway.stop(1_000);
    await played.close();
  }
}
