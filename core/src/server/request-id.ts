import { randomBytes } from "node:crypto";

/** Random for each process, so that ids of several never meet; the counter behind it costs next to nothing. */
const PREFIX = `req_${randomBytes(9).toString("hex")}`;
let counter = 0;

/** The client's own id, if it is short and plain, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : newRequestId();
}

export function newRequestId(): string {
  return PREFIX + (counter++).toString(36).padStart(6, "0");
}
