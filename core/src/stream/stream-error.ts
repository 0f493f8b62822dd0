import { GatewayError } from "../errors.ts";
import type { StreamFailure } from "../operation.ts";

/** An error that a backend reports inside of a stream. Its words may hold anything: they stay here. */
export function toStreamError(failure: StreamFailure): GatewayError {
  return new GatewayError("provider_error", {
    message: "The backend reported an error in its stream",
    upstream: {
      kind: "stream_error",
      sent: true,
      code: failure.code,
      status: failure.status,
      told: failure.told,
    },
  });
}
