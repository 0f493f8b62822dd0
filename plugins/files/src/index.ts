import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { askKeeper, createBatch, listBatches, listFiles, upload } from "./answers.ts";
import { createOperations } from "./operations.ts";
import { FilesOptions } from "./options.ts";
import { Places } from "./places.ts";

export type { FilesOptions } from "./options.ts";

/**
 * `/v1/files` and `/v1/batches`: remembers which backend has what of whom, and asks that one. Listed after
 * authentication and before the balancer.
 */
export const files: GatewayPluginFactory<typeof FilesOptions> = defineGatewayPlugin({
  name: "files",
  options: FilesOptions,
  needs: ["candidates"],
  operations: [
    "fileUpload",
    "fileList",
    "fileRetrieval",
    "fileDeletion",
    "batchCreation",
    "batchList",
    "batchRetrieval",
    "batchCancellation",
  ],
  setup(options, gateway) {
    const places = new Places(gateway.state, options, gateway.log);
    return {
      operations: createOperations(),
      middleware: function files(ctx, next) {
        switch (ctx.operation.name) {
          case "fileUpload":
            return upload(ctx, next, places);
          case "fileList":
            return listFiles(ctx, places);
          case "fileRetrieval":
          case "fileDeletion":
            return askKeeper(ctx, next, "file", places);
          case "batchCreation":
            return createBatch(ctx, next, places);
          case "batchList":
            return listBatches(ctx, next, places);
          case "batchRetrieval":
          case "batchCancellation":
            return askKeeper(ctx, next, "batch", places);
          default:
            return next();
        }
      },
    };
  },
});
