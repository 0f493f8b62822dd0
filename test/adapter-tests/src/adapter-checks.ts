import type { Adapter, ListedModel } from "gatewright";
import type { Check } from "./check.ts";
import { difference, unless } from "./check.ts";
import { deepFreeze } from "./run-mapping.ts";

/** The backend's model list and what is read from it. */
export interface ModelListCase {
  body: unknown;
  listed: readonly ListedModel[];
}

/** Bodies that are no list of models in any dialect. */
const NO_LISTS: readonly unknown[] = [null, [], "x", { models: 1, data: 1 }];

/** What holds of the adapter as a whole. */
export function adapterChecks(
  adapter: Adapter,
  { models, sameDialect }: { models?: ModelListCase; sameDialect?: boolean },
): Check[] {
  const { operations, health, baseURL } = adapter;
  return [
    {
      group: "the adapter",
      title: "has absolute paths for operations, model list and health",
      find() {
        const paths = Object.values(operations).map(({ path }) => (typeof path === "string" ? path : "/"));
        if (adapter.models) paths.push(adapter.models.path);
        if (health) paths.push(health.path);
        return [
          ...paths.flatMap((path) =>
            unless(path.startsWith("/"), `the path ${path} does not begin with a slash`),
          ),
          ...unless(
            typeof baseURL !== "string" || URL.canParse(baseURL),
            `baseURL is no URL: ${String(baseURL)}`,
          ),
        ];
      },
    },
    {
      group: "the adapter",
      title: "translates replies and streams of every operation whose request it translates",
      find: () =>
        Object.entries(operations).flatMap(([name, { toRequest, fromResponse, stream }]) => {
          if (sameDialect)
            return unless(!stream || !!fromResponse, `${name} has \`stream\` without \`fromResponse\``);
          return [
            ...unless(!toRequest === !fromResponse, `${name} translates one direction alone`),
            ...unless(!stream || !!toRequest, `${name} has \`stream\` without \`toRequest\``),
          ];
        }),
    },
    models
      ? {
          group: "the adapter",
          title: "reads the model list, and throws on what is none",
          find: () => [
            ...difference("the list", adapter.models?.read(deepFreeze(models.body)), models.listed),
            ...NO_LISTS.flatMap((body) =>
              unless(
                throws(() => adapter.models?.read(body)),
                `takes ${JSON.stringify(body)} for a list`,
              ),
            ),
          ],
        }
      : {
          group: "the adapter",
          title: "has no model list",
          find: () => unless(!adapter.models, "it has one: give `models: { body, listed }`"),
        },
  ];
}

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}
