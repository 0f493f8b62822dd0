import { SseDecoder } from "gatewright";
import type { BodyStream, EventStream } from "gatewright";
import { geminiDialect } from "./dialect.ts";

/**
 * What Google answers to `streamGenerateContent` without `alt=sse`: one JSON array that comes in pieces, the same
 * replies as its items. A stream that breaks ends with the error as its last item, and the array is not closed: no
 * reader can take it for a whole one.
 */
export function toJsonArray(events: EventStream, requestId: string): BodyStream {
  let failing: NodeJS.Immediate | undefined;
  return {
    start(sink) {
      const decoder = new SseDecoder();
      let separator = "[";
      const item = (json: string): void => {
        sink.data(Buffer.from(separator + json));
        separator = ",\r\n";
      };
      events.start({
        data: (chunk) =>
          decoder.push(chunk, ({ data }) => {
            if (data) item(data);
          }),
        end() {
          sink.data(Buffer.from(separator === "[" ? "[]" : "]"));
          sink.end();
        },
        fail(error) {
          item(geminiDialect.errorBody(error, requestId));
          // A body that fails is torn off, and with it what was written in the same turn of the loop.
          failing = setImmediate(() => sink.fail(error));
        },
      });
    },
    pause: () => events.pause(),
    resume: () => events.resume(),
    cancel() {
      clearImmediate(failing);
      events.cancel();
    },
  };
}
