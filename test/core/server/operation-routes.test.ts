import type { Dialect, Operation } from "gatewright";
import { describe, expect, it } from "vitest";
import { openaiDialect } from "../../../core/src/operations/openai-dialect.ts";
import { createOperationRoutes } from "../../../core/src/server/operation-routes.ts";

function dialect(name: string): Dialect {
  return { ...openaiDialect, name };
}
const [A, B] = [dialect("a"), dialect("b")];

function operation(
  name: string,
  path: string,
  rest: Partial<Pick<Operation, "method" | "header" | "dialect">> = {},
): Operation {
  const fixed = { body: "none", reply: "json", replaySafe: true, method: "GET", dialect: A } as const;
  return { ...fixed, name: name as Operation["name"], paths: [path], ...rest };
}

describe("operations that share a path", () => {
  const plain = operation("plain", "/v1/things/**");
  const special = operation("special", "/v1/things/**", { header: "x-special", dialect: B });

  it.each([
    ["before", [special, plain]],
    ["after", [plain, special]],
  ])("the one with a header, listed %s, has the requests with that header alone", (_, operations) => {
    const { match } = createOperationRoutes(operations);
    expect(match("GET", "/v1/things/1", { "x-special": "" })).toMatchObject({ operation: special });
    expect(match("GET", "/v1/things/1", { "x-other": "1" })).toMatchObject({ operation: plain });
    expect(match("GET", "/v1/things/1")).toMatchObject({ operation: plain });
    expect(match("POST", "/v1/things/1", { "x-special": "" })).toEqual({ allow: "GET, HEAD", dialect: A });
  });

  it("without another of the path it is the only one: the rest is refused with its method", () => {
    const { match } = createOperationRoutes([special]);
    expect(match("GET", "/v1/things/1")).toEqual({ allow: "GET, HEAD", dialect: B });
  });
});

describe("what follows a model's name", () => {
  const one = operation("one", "/v1/models/{model}");
  const ask = operation("ask", "/v1/models/{model}:ask", { method: "POST" });
  const { match } = createOperationRoutes([one, ask]);

  it("is no wrong method where other operations of the method are told by it", () => {
    expect(match("POST", "/v1/models/m:ask")).toMatchObject({ operation: ask, model: "m" });
    expect(match("POST", "/v1/models/m:predict")).toBeUndefined();
    expect(match("GET", "/v1/models/m:predict")).toMatchObject({ operation: one, model: "m:predict" });
    expect(match("DELETE", "/v1/models/m")).toEqual({ allow: "GET, HEAD", dialect: A });
  });
});

describe("whose words refuse a path without a route", () => {
  const { dialectOf } = createOperationRoutes([
    operation("chat", "/v1/chat", { dialect: openaiDialect }),
    operation("a", "/v1/a"),
    operation("b", "/b/models/{model}:ask", { dialect: B }),
    operation("both1", "/c/a"),
    operation("both2", "/c/b", { dialect: B }),
    operation("h", "/v1/chat", { header: "x-b", dialect: B }),
  ]);
  it.each([
    ["/v1/a/unknown", {}, "a"],
    ["/v1/ab", {}, "openai"],
    ["/v1", {}, "openai"],
    ["/b", {}, "b"],
    ["/b/files", {}, "b"],
    ["/b/models/m:predict", {}, "b"],
    ["/c/x", {}, "openai"],
    ["/c/a/x", {}, "a"],
    ["/", {}, "openai"],
    ["/x/y", { "x-b": "1" }, "openai"],
    ["/v1/x", { "x-b": "1" }, "b"],
    ["/v1/a/x", { "x-b": "1" }, "a"],
  ])("%s with headers %j: %s", (path, headers, name) => {
    expect(dialectOf(path, headers).name).toBe(name);
  });
});
