import { createInnerRequest, GatewayError, toGatewayError } from "gatewright";
import type { Context, GatewayHost, OperationRoutes } from "gatewright";
import type { BatchOptions } from "./options.ts";
import { checkRequest, type BatchRequest } from "./requests.ts";

export interface BatchRun {
  readonly gateway: GatewayHost;
  readonly options: BatchOptions;
  readonly routes: OperationRoutes;
}

/** What came of a request. */
interface Answer {
  readonly status: number;
  /** JSON text, as it came: numbers that JavaScript cannot hold stay what they are. */
  readonly body: string;
}

/**
 * Sends all requests of a batch through the gateway, some at a time, and gives their answers in the order of the
 * requests, as the text of `responses`. Throws when the client leaves; what runs then is given up.
 */
export async function runBatch(
  ctx: Context,
  requests: readonly BatchRequest[],
  run: BatchRun,
): Promise<string> {
  const { concurrency, maxReplyBytes } = run.options;
  const { signal } = ctx;
  const answers: Answer[] = [];
  let next = 0;
  let bytes = 0;

  async function work(): Promise<void> {
    while (next < requests.length) {
      signal.throwIfAborted();
      const index = next++;
      const answer = await answerOne(ctx, requests[index]!, index, run);
      bytes += Buffer.byteLength(answer.body);
      answers[index] = bytes > maxReplyBytes ? toAnswer(ctx, tooLarge(maxReplyBytes)) : answer;
    }
  }

  await Promise.all(Array.from({ length: Math.min(concurrency, requests.length) }, work));
  signal.throwIfAborted();
  const parts = requests.map(
    ({ id }, index) =>
      `{"id":${JSON.stringify(id)},"status":${answers[index]!.status},"body":${answers[index]!.body}}`,
  );
  return `[${parts.join(",")}]`;
}

async function answerOne(ctx: Context, request: BatchRequest, index: number, run: BatchRun): Promise<Answer> {
  try {
    const { path, body } = checkRequest(request, run.routes, ctx);
    const { clientAddress } = ctx.request;
    const sent = createInnerRequest(ctx, { path, body, index });
    const response = await run.gateway.fetch(sent, { address: clientAddress });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return toAnswer(ctx, toGatewayError(error));
  }
}

function toAnswer(ctx: Context, error: GatewayError): Answer {
  return { status: error.status, body: ctx.operation.dialect.errorBody(error, ctx.id) };
}

function tooLarge(maxReplyBytes: number): GatewayError {
  return new GatewayError("batch_reply_too_large", {
    status: 502,
    type: "provider_error",
    message: `The replies of the batch are larger than ${maxReplyBytes} bytes together`,
  });
}
