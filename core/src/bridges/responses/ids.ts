import { callIdOf } from "../call-id.ts";

/** The part that a response and its items have in common, so that an item leads to its response. */
function baseOf(requestId: string): string {
  return requestId.replace(/^req_/, "").replaceAll(/[^A-Za-z0-9]/g, "");
}

export function toResponseId(requestId: string): string {
  return `resp_${baseOf(requestId)}`;
}

/** `prefix` tells the kind: `msg`, `rs`, `fc`, `ctc`. `index` is the place in the output. */
export function toItemId(prefix: string, requestId: string, index: number): string {
  return `${prefix}_${baseOf(requestId)}_${index}`;
}

export function isReasoningId(id: unknown): boolean {
  return typeof id === "string" && id.startsWith("rs_");
}

/** For a call to which the backend gave no id. */
export function toCallId(requestId: string, index: number): string {
  return callIdOf(baseOf(requestId), index);
}

/** The id of the response that an item came with; undefined for an item that no bridge made. */
export function responseIdOfItem(itemId: string): string | undefined {
  const base = /^[a-z]+_([A-Za-z0-9]+)_\d+$/.exec(itemId)?.[1];
  return base === undefined ? undefined : `resp_${base}`;
}
