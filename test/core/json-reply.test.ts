import { jsonReply, parseJson, readJsonReply } from "gatewright";
import { expect, it } from "vitest";

const LONG = "9007199254740993";

it("makes a reply that is read back as it was, long integers included", () => {
  const reply = jsonReply({ id: parseJson(LONG), list: [1] });
  expect(reply).toEqual({
    status: 200,
    headers: { "content-type": "application/json" },
    body: `{"id":${LONG},"list":[1]}`,
  });
  expect(jsonReply(readJsonReply(reply)!).body).toBe(reply.body);
  expect(jsonReply({}, 404).status).toBe(404);
});

it.each([
  ["a text", '{"a":1}', { a: 1 }],
  ["bytes", Buffer.from('{"a":1}'), { a: 1 }],
  ["bytes within others", Buffer.from('x{"a":1}x').subarray(1, -1), { a: 1 }],
  ["a list", "[1]", undefined],
  ["nothing", null, undefined],
])("reads the object of %s", (_, body, expected) => {
  expect(readJsonReply({ status: 200, headers: {}, body })).toEqual(expected);
});

it("reads no object of a reply that is an error", () => {
  expect(readJsonReply({ status: 404, headers: {}, body: '{"a":1}' })).toBeUndefined();
});
