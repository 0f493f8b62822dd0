import { defineGatewayPlugin, GatewayError, isOfProvider } from "gatewright";
import type { Backend, GatewayHost, GatewayPluginFactory, Target } from "gatewright";
import { adjustBody } from "./adjusted-body.ts";
import { ModelMappingsOptions } from "./options.ts";
import type { Mapping } from "./options.ts";

export type { Mapping, ModelMappingsOptions } from "./options.ts";

interface Replacement {
  readonly target: Target;
  readonly mapping: Mapping;
}

/**
 * Replaces a model at the provider that was chosen for it, and adjusts the parameters. Listed after the balancer: what
 * counts is where the attempt goes.
 */
export const modelMappings: GatewayPluginFactory<typeof ModelMappingsOptions> = defineGatewayPlugin({
  name: "model-mappings",
  options: ModelMappingsOptions,
  needs: ["candidates"],
  check: ({ mappings }, { checkModel, checkProvider }) =>
    mappings.flatMap(({ model, provider }, index) => [
      ...checkModel(model, ["mappings", index, "model"]),
      ...checkProvider(provider, ["mappings", index, "provider"]),
    ]),
  setup({ mappings }, gateway) {
    const byModel = collect(mappings, gateway);
    return {
      middleware: function modelMappings(ctx, next) {
        const target = ctx.target ?? ctx.candidates[0];
        const found = target && byModel.get(ctx.model)?.get(target.backend);
        if (!found) return next();
        const { mapping } = found;
        if (ctx.principal?.allowsModel?.(mapping.targetModel) === false)
          throw new GatewayError("model_not_allowed", {
            param: "model",
            message: `The key does not allow the model \`${mapping.targetModel}\``,
          });
        return next({ target: found.target, body: adjustBody(ctx.body, ctx.operation, mapping) });
      },
    };
  },
});

/** By the model that is asked for and the backend it goes to. A backend's own name is closer than its provider's. */
function collect(mappings: readonly Mapping[], gateway: GatewayHost): Map<string, Map<Backend, Replacement>> {
  const byModel = new Map<string, Map<Backend, Replacement>>();
  const backends = [...gateway.backends.values()];
  for (const mapping of mappings) {
    const { model, provider, targetModel } = mapping;
    const meant = backends.filter((backend) => isOfProvider(backend, provider));
    const byBackend = byModel.get(model) ?? new Map<Backend, Replacement>();
    byModel.set(model, byBackend);
    for (const backend of meant) {
      if (byBackend.has(backend) && backend.name !== provider) continue;
      byBackend.set(backend, { target: gateway.catalog.target(backend.name, targetModel), mapping });
    }
  }
  return byModel;
}
