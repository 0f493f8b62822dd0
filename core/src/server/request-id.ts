import { randomUUID } from "node:crypto";

/** The client's own id, if it is short and plain, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && /^[\w.:-]{1,128}$/.test(given)
    ? given
    : `req_${randomUUID().replaceAll("-", "")}`;
}
