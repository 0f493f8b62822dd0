import { GatewayError, isBodyStream } from "gatewright";
import type { Reply } from "gatewright";

/** Reads a reply to its end and drops it. Rejects when it breaks off, is longer than allowed, or is given up. */
export function drain({ body }: Reply, maxBytes: number, signal: AbortSignal): Promise<void> {
  if (!isBodyStream(body)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const giveUp = (reason: Error): void => {
      body.cancel();
      settle(() => reject(reason));
    };
    const onAbort = (): void => giveUp(signal.reason as Error);
    const settle = (done: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      done();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    body.start({
      data(chunk) {
        bytes += chunk.length;
        if (bytes > maxBytes) giveUp(tooLarge(maxBytes));
      },
      end: () => settle(resolve),
      fail: (error) => settle(() => reject(error)),
    });
  });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError("mirror_too_large", {
    type: "provider_error",
    status: 502,
    message: `The answer to the copy is longer than ${maxBytes} bytes`,
  });
}
