import type { JsonView } from "../body/json-view.ts";
import type { Target } from "../target.ts";
import type { TransportRequest } from "../transport/transport.ts";
import type { CallPlan } from "./call-plan.ts";
import type { TranslatedCall } from "./translated-call.ts";
import type { Hidden } from "./upstream-error.ts";

/** What is sent and where to, and what is needed to read the answer. */
export interface PreparedCall {
  readonly target: Target;
  readonly plan: CallPlan;
  /** With headers of authorisation once these are made. Not kept once an answer is on its way. */
  request: TransportRequest | undefined;
  /** Present where the backend speaks another dialect than the client. */
  readonly translated: TranslatedCall | undefined;
  /** What was left out on either way so far. */
  readonly dropped: ReadonlySet<string> | undefined;
  /** The client's request. */
  readonly body: JsonView;
  /** The gateway asked for usage in the stream; the client did not. */
  readonly hideUsage: boolean;
  /** The request can be sent again as it is. */
  readonly replayable: boolean;
}

/** What must not leave in an error of this call. */
export function hiddenOf({ target, plan, translated }: PreparedCall): Hidden {
  const { host, hostname } = target.backend.baseURL;
  return { credential: plan.credential, hosts: [host, hostname], keepsDetails: translated === undefined };
}
