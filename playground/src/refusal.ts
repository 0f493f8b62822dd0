/** A request that a backend will not serve. The backend answers it as an error in its dialect. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;

  constructor(
    status: number,
    message: string,
    details: { code?: string; param?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.status = status;
    this.code = details.code ?? null;
    this.param = details.param ?? null;
  }
}

/** The refusal of a request without a field that it must have. */
export function missing(param: string): Refusal {
  return new Refusal(400, `Missing required parameter: '${param}'.`, {
    code: "missing_required_parameter",
    param,
  });
}
