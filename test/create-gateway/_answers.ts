import { completeAnswers, type Answers, type GivenAnswers } from "../../create-gateway/src/answers.ts";
import { BACKENDS } from "../../create-gateway/src/backends.ts";
import type { Surroundings } from "../../create-gateway/src/project.ts";
import { detectPackageManager } from "../../create-gateway/src/package-manager.ts";

/** Where nothing is set, with a key that a test knows. */
export const SURROUNDINGS: Surroundings = {
  environment: {},
  manager: detectPackageManager({}),
  gatewayKey: "sk-gateway-0123456789012345678901234567890123456789012",
};

/** A server without a usual address is at one nobody listens on. */
export const SERVER_URL = "http://127.0.0.1:9/v1";

export function answersOf(given: Partial<GivenAnswers> = {}): Answers {
  const asked = given.backends ?? [];
  const url: Record<string, string> = asked.some(({ id }) => id === "openai-compatible")
    ? { "openai-compatible": SERVER_URL }
    : {};
  return completeAnswers({ model: "some-model", ...given, urls: { ...url, ...given.urls } }, {});
}

/** Every choice of some of them, none included. */
export function subsets<T>(all: readonly T[]): T[][] {
  return all.reduce<T[][]>((sets, one) => sets.flatMap((set) => [set, [...set, one]]), [[]]);
}

export const backendsOf = (...ids: string[]) => BACKENDS.filter(({ id }) => ids.includes(id));
