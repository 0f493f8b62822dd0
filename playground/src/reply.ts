import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { constants, createGzip } from "node:zlib";
import type { EventFormat } from "./events.ts";
import type { Fault } from "./faults.ts";
import { seededRandom } from "./random.ts";
import type { RecordedRequest } from "./recorded-request.ts";
import type { Settings } from "./settings.ts";

/** What an event is to the stream, for faults that aim at one. */
export type EventRole = "finish" | "terminator";

const GARBAGE = Buffer.from([0xff, 0xfe, 0x00, 0x1b, 0x7b, 0x7b, 0xc3, 0x28, 0x0a, 0x0a]);

/**
 * One reply on its way to the client, at the pace of the settings and with the fault that meets it. Each event is a
 * write of its own, and each write waits until the system has taken it. Once the reply is over (the client left, or
 * a fault broke it off) every method throws the reason of `over`, so that whoever writes stops.
 */
export class Reply {
  readonly #response: ServerResponse;
  readonly #record: RecordedRequest;
  readonly #settings: Settings;
  readonly #fault: Fault | undefined;
  readonly #random: () => number;
  readonly #over = new AbortController();
  #out: Writable;
  #format: EventFormat | undefined;
  #bytes = 0;
  #tokens = 0;
  #broken = false;

  constructor(
    response: ServerResponse,
    record: RecordedRequest,
    settings: Settings,
    fault: Fault | undefined,
  ) {
    this.#response = response;
    this.#out = response;
    this.#record = record;
    this.#settings = settings;
    this.#fault = fault;
    this.#random = seededRandom(settings.seed + record.n);
    response.once("close", () => this.#over.abort());
  }

  /** Aborted when nothing more can be sent. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** A fault, not the client, ended the connection. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Answers with a JSON value. */
  async json(value: unknown, status = 200, headers: Record<string, string> = {}): Promise<void> {
    await this.whole(JSON.stringify(value), { "content-type": "application/json", ...headers }, status);
  }

  /** Answers with a text or bytes of known length. */
  async whole(
    body: string | Uint8Array,
    headers: Record<string, string> & { "content-type": string },
    status = 200,
  ): Promise<void> {
    const bytes = Buffer.from(body);
    await this.#open(status, { ...headers, "content-length": String(bytes.length) });
    await this.#send(bytes);
    await this.#end();
  }

  /** Answers with bytes that are made while they are sent. */
  async flow(
    body: Iterable<Uint8Array>,
    headers: Record<string, string> & { "content-type": string },
  ): Promise<void> {
    await this.#open(200, headers);
    await this.nextToken();
    for (const chunk of body) await this.#send(chunk);
    await this.#end();
  }

  /** Begins a stream of events. `holdHeaders`: they leave with the first event, as Ollama sends them. */
  async openEvents(
    format: EventFormat,
    headers: Record<string, string> = {},
    holdHeaders = false,
  ): Promise<void> {
    this.#format = format;
    await this.#open(200, { "content-type": format.contentType, ...headers }, holdHeaders);
  }

  /** Sends one event. */
  async event(data: string, { type, role }: { type?: string; role?: EventRole } = {}): Promise<void> {
    const fault = this.#fault;
    if (fault?.kind === "missing_terminator" && role === "terminator") return;
    if (fault?.kind === "missing_finish" && role !== undefined) return;
    if (fault && "afterEvents" in fault && fault.afterEvents === this.#record.events) {
      data = await this.#disturb(fault, data);
    }
    this.#record.events += 1;
    await this.#send(Buffer.from(this.#format!.frame(data, type)));
  }

  /** Ends a stream of events. */
  async endEvents(): Promise<void> {
    await this.#end();
  }

  /** Waits as long as the next token takes: `firstTokenMs` for the first of the reply, `tokenMs` for others. */
  async nextToken(): Promise<void> {
    await this.tokens(1);
  }

  /** Waits as long as the next `count` tokens take together. */
  async tokens(count: number): Promise<void> {
    if (count === 0) return;
    const { firstTokenMs, tokenMs } = this.#settings;
    const first = this.#fault?.kind === "slow_first_token" ? this.#fault.ms : firstTokenMs;
    const waitMs = this.#tokens === 0 ? first + (count - 1) * tokenMs : count * tokenMs;
    this.#tokens += count;
    if (waitMs > 0) await this.wait(this.#jittered(waitMs));
  }

  /** Waits, but no longer than the reply lives. */
  async wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.over });
  }

  /** Says nothing more until the client leaves. */
  async silence(): Promise<never> {
    this.over.throwIfAborted();
    return new Promise((_resolve, reject) => {
      this.over.addEventListener("abort", () => reject(this.over.reason as Error), { once: true });
    });
  }

  /** Ends the connection: by RST, or by FIN, where the end of the reply is then missing. */
  breakOff(how: "reset" | "close"): never {
    this.#broken = true;
    this.#over.abort();
    if (how === "reset") this.#response.socket?.resetAndDestroy();
    else this.#response.destroy();
    throw this.over.reason;
  }

  #jittered(ms: number): number {
    return ms * (1 + this.#settings.jitter * (this.#random() * 2 - 1));
  }

  async #open(status: number, headers: Record<string, string>, holdHeaders = false): Promise<void> {
    this.over.throwIfAborted();
    const fault = this.#fault;
    const sent = { ...headers };
    if (fault?.kind === "content_type") sent["content-type"] = fault.value;
    if (fault?.kind === "gzip") sent["content-encoding"] = "gzip";
    // A length would tell that the body was cut, or be wrong once compressed.
    if (fault?.kind === "gzip" || (fault?.kind === "cut" && fault.how === "end"))
      delete sent["content-length"];
    this.#record.status = status;
    this.#response.writeHead(status, sent);
    if (!holdHeaders || fault?.kind === "silence_after_headers") this.#response.flushHeaders();
    if (fault?.kind === "silence_after_headers") await this.silence();
    if (fault?.kind === "gzip") this.#out = this.#compressed();
  }

  #compressed(): Writable {
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    gzip.pipe(this.#response);
    return gzip;
  }

  /** Meets the fault that is due at this event. @returns the data to send in place of the event's own. */
  async #disturb(fault: Fault & { afterEvents?: number }, data: string): Promise<string> {
    switch (fault.kind) {
      case "cut":
        return this.#cut(fault.how);
      case "stall":
        return this.silence();
      case "garbage":
        await this.#send(fault.bytes ?? GARBAGE);
        return data;
      case "malformed_event":
        return data.slice(0, Math.ceil(data.length / 2));
      case "stream_error":
        await this.#send(
          Buffer.from(
            this.#format!.error(fault.message ?? "The server had an error.", fault.code ?? "server_error"),
          ),
        );
        return this.#cut("end");
      default:
        return data;
    }
  }

  async #cut(how: "reset" | "close" | "end" = "close"): Promise<never> {
    if (how !== "end") return this.breakOff(how);
    await this.#end();
    this.#over.abort();
    throw this.over.reason;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const fault = this.#fault;
    if ((fault?.kind === "cut" || fault?.kind === "stall") && fault.afterBytes !== undefined) {
      const left = fault.afterBytes - this.#bytes;
      if (bytes.length > left) {
        await this.#write(bytes.subarray(0, left));
        return fault.kind === "cut" ? this.#cut(fault.how) : this.silence();
      }
    }
    await this.#write(bytes);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    await this.#taken((done) => this.#out.write(bytes, done));
  }

  async #end(): Promise<void> {
    await this.#taken((done) => this.#out.end(done));
  }

  /** Waits for the callback of a write, or for the end of the reply: a dead socket may never call back. */
  async #taken(start: (done: () => void) => void): Promise<void> {
    this.over.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(this.over.reason as Error);
      this.over.addEventListener("abort", stop, { once: true });
      start(() => {
        this.over.removeEventListener("abort", stop);
        resolve();
      });
    });
  }
}
