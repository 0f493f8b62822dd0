import { GatewayError } from "../errors.ts";
import type { StreamFailure } from "../operation.ts";

/**
 * An error that a backend reports inside of a stream that the client sees already. The status has gone out, so that it
 * is no error reply any more: what the backend says of it stays here.
 */
export function toStreamError(failure: StreamFailure): GatewayError {
  return new GatewayError("provider_error", {
    message: "The backend reported an error in its stream",
    upstream: {
      kind: "stream_error",
      sent: true,
      code: failure.code,
      status: statusOf(failure),
      told: failure.told,
    },
  });
}

/** The status of an error, if it is one of HTTP: some vendors have numbers of their own in its place. */
export function statusOf({ status }: Pick<StreamFailure, "status">): number | undefined {
  return status !== undefined && status >= 400 && status <= 599 ? status : undefined;
}

/** What ends a stream that cannot be read on. */
export function malformedStream(message: string): GatewayError {
  return new GatewayError("provider_error", { message, upstream: { kind: "malformed", sent: true } });
}
