import { toGatewayError, type GatewayError } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import type { Reply } from "../reply.ts";
import { Exchange, type ExchangeInit } from "../request/exchange.ts";
import { RequestContext } from "../request/request-context.ts";
import type { Sweeper } from "../request/sweeper.ts";
import type { RequestLog } from "./request-log.ts";
import { checkError, checkReply } from "./sendable.ts";

/** What a server keeps of running requests, whichever way they came in. */
export interface ExchangeKeeping {
  sweeper: Sweeper;
  requestLog: RequestLog | undefined;
}

/** Counts a request in, and out again when it is over. */
export function openExchange(
  gateway: Gateway,
  init: Pick<ExchangeInit, "id" | "operation" | "model" | "request" | "downstream">,
  { sweeper, requestLog }: ExchangeKeeping,
): Exchange {
  // Field by field: an object spread here costs as much as parsing the body.
  const exchange = new Exchange({
    id: init.id,
    operation: init.operation,
    model: init.model,
    request: init.request,
    downstream: init.downstream,
    router: gateway.router,
    log: gateway.log,
    totalMs: init.operation.carriesRequests ? 0 : gateway.config.timeouts.totalMs,
  });
  gateway.retain();
  sweeper.add(exchange);
  exchange.onFinished((finished) => {
    sweeper.remove(exchange);
    gateway.release();
    if (finished.error?.code === "internal_error")
      gateway.log.error("a request failed inside the gateway", {
        requestId: exchange.id,
        cause: describeCause(finished.error.cause),
      });
    requestLog?.(exchange, finished);
  });
  return exchange;
}

/** Takes the reply, or the error, of the chain. */
interface Answering {
  send(reply: Reply): void;
  fail(error: GatewayError): void;
}

/** Runs the chain and answers; never rejects. */
export async function answer(gateway: Gateway, exchange: Exchange, downstream: Answering): Promise<void> {
  try {
    const reply = await gateway.handle(new RequestContext(exchange));
    checkReply(reply, exchange);
    downstream.send(reply);
  } catch (thrown) {
    downstream.fail(checkError(toGatewayError(thrown)));
  }
}

/** What is told of anything that was thrown: of what is no error, and may hold anything, its own word at most. */
export function describeCause(cause: unknown): string {
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return typeof cause === "object" && cause !== null ? "an object that is no Error" : String(cause);
}
