import { isGatewayError } from "gatewright";
import type { Attempt, Finished, Reply, Usage } from "gatewright";

/** How one of the two answers came out. */
export interface MirrorResult {
  /** Id of the target that answered, or failed last; absent when none was called. */
  readonly target?: string;
  /** HTTP status; that of the error when there was one. */
  readonly status: number;
  /** Milliseconds: the whole request of the client, or the copy's way through the rest of the chain. */
  readonly durationMs: number;
  readonly usage?: Usage;
  /** Code of the error. */
  readonly error?: string;
}

/** A request and its copy side by side. */
export interface Comparison {
  readonly requestId: string;
  readonly operation: string;
  /** The model that the client asked for. */
  readonly model: string;
  readonly real: MirrorResult;
  readonly copy: MirrorResult;
}

export function resultOfRequest({ target, status, durationMs, usage, error }: Finished): MirrorResult {
  return { target: target?.id, status, durationMs, usage, error: error?.code };
}

/** Of a copy whose reply was read to its end. */
export function resultOfReply({ status, attempt }: Reply, durationMs: number): MirrorResult {
  return { target: attempt?.target.id, status, durationMs, usage: attempt?.usage };
}

/** Of a copy that failed, before its reply or within it. */
export function resultOfError(error: unknown, durationMs: number, attempt?: Attempt): MirrorResult {
  const { code, status } = isGatewayError(error) ? error : { code: "internal_error", status: 500 };
  const blamed = attempt ?? (isGatewayError(error) ? error.attempt : undefined);
  return { target: blamed?.target.id, status, durationMs, usage: blamed?.usage, error: code };
}
