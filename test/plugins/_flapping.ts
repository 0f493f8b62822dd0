/**
 * The drill of a backend that goes away for a minute while a client asks once a second, over real sockets: with a
 * scale below 1 everything takes that part of its time.
 */
import { balancer } from "@gatewright/balancer";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { healthCheck } from "@gatewright/health-check";
import { retry } from "@gatewright/retry";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";

export interface FlappingFigures {
  /** What the client got, in order. */
  readonly statuses: number[];
  /** Calls that reached the backend while it was gone. */
  readonly attemptsDuringOutage: number;
  /** Seconds, unscaled, and requests from its return to its first answer; undefined if there was none in 60. */
  readonly backAfterSeconds: number | undefined;
  readonly backAfterRequests: number | undefined;
}

/** Seconds, unscaled. */
const OUTAGE = 60;
const LONGEST_WAIT = 60;

export async function runFlapping(scale: number): Promise<FlappingFigures> {
  const scaled = (ms: number): number => Math.max(1, Math.round(ms * scale));
  const [flapping, steady] = await Promise.all([
    startSimulatedBackend({ dialect: "openai", name: "flapping" }),
    startSimulatedBackend({ dialect: "openai", name: "steady" }),
  ]);
  const models = ["gpt-4o-mini"];
  const gateway = await startTestGateway({
    backends: {
      flapping: { adapter: "openai", baseURL: `${flapping.url}/v1`, models },
      steady: { adapter: "openai", baseURL: `${steady.url}/v1`, models },
    },
    plugins: [
      retry({ baseDelayMs: scaled(500), maxDelayMs: scaled(8_000) }),
      circuitBreaker({ openMs: scaled(60_000) }),
      healthCheck({
        intervalMs: scaled(10_000),
        timeoutMs: 2_000,
        rampMs: scaled(30_000),
        ejection: { baseMs: scaled(30_000), maxMs: scaled(300_000), decayMs: scaled(10_000) },
      }),
      balancer(),
    ],
  });
  const statuses: number[] = [];
  /** One request now, the rest of its second waited out; the backend that answered. */
  const second = async (): Promise<void> => {
    const over = new Promise((resolve) => setTimeout(resolve, scaled(1_000)));
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: models[0], messages: [{ role: "user", content: "hello" }] }),
    });
    await response.arrayBuffer();
    statuses.push(response.status);
    await over;
  };
  try {
    for (let count = 0; count < 5; count++) await second();
    flapping.clear();
    flapping.faults = () => ({ kind: "reset" });
    const goneAt = performance.now();
    while (performance.now() - goneAt < scaled(OUTAGE * 1_000)) await second();
    const attemptsDuringOutage = callsOf(flapping);

    flapping.faults = [];
    flapping.clear();
    const returnedAt = performance.now();
    const before = statuses.length;
    while (callsOf(flapping) === 0 && statuses.length - before < LONGEST_WAIT) await second();
    const isBack = callsOf(flapping) > 0;
    const first = flapping.requests.find(({ method }) => method === "POST");
    return {
      statuses,
      attemptsDuringOutage,
      backAfterSeconds: isBack ? (first!.receivedAt - returnedAt) / 1_000 / scale : undefined,
      backAfterRequests: isBack ? statuses.length - before : undefined,
    };
  } finally {
    await gateway.close();
    await Promise.all([flapping.close(), steady.close()]);
  }
}

function callsOf(backend: SimulatedBackend): number {
  return backend.requests.filter(({ method }) => method === "POST").length;
}
