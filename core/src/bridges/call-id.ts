/**
 * An id for a call to which its backend gave none, the same whenever the reply is read. Within 40 characters, the most
 * that OpenAI takes in a history. `place` is the call's in the reply.
 */
export function callIdOf(requestId: string, place: number | string, prefix = "call"): string {
  return `${prefix}_${requestId.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24)}_${place}`;
}
