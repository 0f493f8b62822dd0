import { drop, is, refuse } from "gatewright";
import { changedMapping } from "./field-changes.ts";
import type { FieldChanges, FieldedMapping } from "./field-changes.ts";
import { PATHS } from "./family.ts";
import { withoutForeignItems } from "./foreign-items.ts";

const changes: FieldChanges = {
  store: drop("the server stores nothing", is(false)),
  previous_response_id: refuse("the server keeps no responses; the plugin `responses-store` does"),
  conversation: refuse("the server keeps no conversations"),
  background: refuse("the server keeps no responses to ask for later", is(false)),
};

/** Responses of a server that keeps none: each request has to bring its whole history. */
export function statelessResponses(): FieldedMapping {
  return {
    ...changedMapping(PATHS.responses, { changes, prepare: withoutForeignItems }),
    stateless: true,
  };
}
