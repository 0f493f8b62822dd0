import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
export const concurrency = defineGatewayPlugin({ name: "concurrency", options: v.strictObject({}), setup: () => ({}) });
