/** A whole HTTP reply with a JSON body, which is ASCII. */
export function jsonReply(json: string, status = "200 OK"): Buffer {
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n`;
  return Buffer.from(head + json);
}

/** What the simulated backends answer to whatever is no POST: the one model of the benchmark. */
export const MODEL_LIST = jsonReply(
  JSON.stringify({ object: "list", data: [{ id: "bench-model", object: "model", owned_by: "bench" }] }),
);
