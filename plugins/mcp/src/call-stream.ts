import { EventPipe, toGatewayError, toStreamEvent } from "gatewright";
import type { Context, JsonObject, Reply } from "gatewright";
import { isRequestId, type RequestId, type RpcRequest } from "./json-rpc.ts";
import { isWatchable } from "./methods.ts";
import type { Watcher } from "./methods.ts";
import { Progress } from "./progress.ts";
import { metaOf } from "./revisions.ts";

/** What the client calls the progress of its call, where it wants to see the answer come and that can be done. */
export function progressToken(request: RpcRequest, ctx: Context): RequestId | undefined {
  const token = metaOf(request.params)["progressToken"];
  if (!isRequestId(token) || !isWatchable(request)) return undefined;
  return /\btext\/event-stream\b/i.test(ctx.request.headers["accept"] ?? "") ? token : undefined;
}

export interface CallStream {
  readonly token: RequestId;
  /** Least time between two notifications of progress. */
  readonly everyMs: number;
  now(): number;
  /** Runs the call, and gives the response that ends the stream. */
  run(watcher: Watcher): Promise<JsonObject>;
}

/** A reply that is an event stream: how the answer comes along, and the response. */
export function streamCall({ token, everyMs, now, run }: CallStream): Reply {
  const leaving = new AbortController();
  // All that is written is kept for a client that is slow: it is no more than the response will be.
  const pipe = new EventPipe({ onCancel: () => leaving.abort(), onPressure() {} });
  const send = (message: JsonObject): void => {
    pipe.push(toStreamEvent(message, "message"));
    pipe.flush();
  };
  const progress = new Progress({ token, everyMs, now, send });
  run({ watch: (piece) => progress.add(piece), leaving }).then(
    (response) => {
      progress.flush();
      send(response);
      pipe.end();
    },
    (error: unknown) => pipe.fail(toGatewayError(error)),
  );
  const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
  return { status: 200, headers, body: pipe };
}
