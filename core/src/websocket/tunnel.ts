import type { Duplex } from "node:stream";
import { GatewayError } from "../errors.ts";
import type { WebSocketRules } from "../operation.ts";
import { clientLeft, interruptedOutcome } from "../outcome.ts";
import { BAD_GATEWAY, closeFrame, GOING_AWAY } from "./close-frame.ts";
import type { ConnectionSwitch, SessionEnd, SwitchedConnection } from "./connection-switch.ts";
import { FrameEditor } from "./frame-editor.ts";
import { FrameReader } from "./frame-reader.ts";

/** After the first close frame: how long the other side may take to answer it and to close the connection. */
const CLOSING_MS = 5_000;

export interface TunnelOptions {
  readonly upstream: Duplex;
  readonly rules: WebSocketRules;
  /** Each whole text message of the backend, if somebody wants to read them. */
  readonly onText: ((message: Buffer) => void) | undefined;
  /** What text messages to the client, and to the backend, become; undefined of a message: what it is. */
  readonly editForClient: ((message: Buffer) => string | undefined) | undefined;
  readonly editForBackend: ((message: Buffer) => string | undefined) | undefined;
  /** Called once. */
  onEnd(end: SessionEnd): void;
}

/**
 * Joins a client's WebSocket to a backend's. Bytes pass both ways as they are, but for text messages that are edited, each
 * side held back while the other does not take them; so messages, fragments, pings and close codes are the two ends' own.
 * A side that breaks off without a close frame takes the other with it.
 */
export class WebSocketTunnel implements ConnectionSwitch {
  readonly #upstream: Duplex;
  readonly #rules: WebSocketRules;
  readonly #onEnd: (end: SessionEnd) => void;
  readonly #fromClient = new FrameReader();
  readonly #fromUpstream: FrameReader;
  readonly #forClient: FrameEditor | undefined;
  readonly #forBackend: FrameEditor | undefined;
  #client: Duplex | undefined;
  #isOver = false;
  #resolve: ((end: SessionEnd) => void) | undefined;
  /** `performance.now()`, when limits were looked at first. */
  #openSince = 0;
  #lastHeardAt = 0;
  #closingSince = 0;
  /** Something came since the limits were looked at last. */
  #heard = false;

  constructor({ upstream, rules, onText, editForClient, editForBackend, onEnd }: TunnelOptions) {
    this.#upstream = upstream;
    this.#forClient = editForClient && new FrameEditor(editForClient);
    this.#forBackend = editForBackend && new FrameEditor(editForBackend);
    this.#rules = rules;
    this.#onEnd = onEnd;
    this.#fromUpstream = new FrameReader(onText);
    upstream.on("error", this.#onUpstreamGone);
    upstream.on("close", this.#onUpstreamGone);
  }

  accept({ socket, head, headers }: SwitchedConnection): Promise<SessionEnd> {
    const ended = new Promise<SessionEnd>((resolve) => (this.#resolve = resolve));
    this.#client = socket;
    if (this.#isOver) {
      socket.destroy();
      this.#resolve!({ outcome: "truncated", error: interrupted() });
      return ended;
    }
    socket.write(handshakeAnswer(headers), "latin1");
    if (head.length > 0) socket.unshift(head);
    this.#follow(socket, this.#fromClient, this.#onClientGone);
    this.#follow(this.#upstream, this.#fromUpstream, this.#onUpstreamGone);
    this.#pass(socket, this.#upstream, this.#forBackend);
    this.#pass(this.#upstream, socket, this.#forClient);
    return ended;
  }

  #follow(from: Duplex, frames: FrameReader, onGone: () => void): void {
    from.on("data", (chunk: Buffer) => {
      this.#heard = true;
      frames.push(chunk);
    });
    from.on("end", onGone);
    from.on("error", onGone);
    from.on("close", onGone);
  }

  #pass(from: Duplex, to: Duplex, editor: FrameEditor | undefined): void {
    if (!editor) {
      from.pipe(to, { end: false });
      return;
    }
    // No stream in between: whatever came before an end is written when the end is told.
    from.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      const edited = editor.push(chunk);
      if (edited.length === 0 || to.write(edited)) return;
      from.pause();
      to.once("drain", () => from.resume());
    });
    from.resume();
  }

  get #isClosing(): boolean {
    return this.#fromClient.isClosing || this.#fromUpstream.isClosing;
  }

  readonly #onClientGone = (): void => {
    if (this.#isClosing) this.#end({ outcome: "complete" });
    else this.close(clientLeft());
  };

  readonly #onUpstreamGone = (): void => {
    if (this.#isOver) return;
    if (this.#isClosing) {
      this.#end({ outcome: "complete" });
      return;
    }
    const error = interrupted();
    this.#tellClient(BAD_GATEWAY, error.message);
    this.#end({ outcome: "truncated", error });
  };

  close(reason: GatewayError): void {
    if (this.#isOver) return;
    if (reason.code !== "client_closed_request") this.#tellClient(GOING_AWAY, reason.message);
    this.#end({ outcome: interruptedOutcome(reason), error: reason });
  }

  cancel(): void {
    this.close(new GatewayError("provider_error", { message: "The session was given up" }));
  }

  /** A frame of ours fits only between two of the backend's; elsewhere the broken connection has to tell. */
  #tellClient(code: number, reason: string): void {
    const client = this.#client;
    if (!client?.writable || this.#fromUpstream.isClosing) return;
    this.#upstream.unpipe(client);
    if (this.#fromUpstream.isBetweenFrames) client.write(closeFrame(code, reason));
  }

  /** What was written still goes out: the last frame to each side may be a close frame. */
  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.unpipe();
    this.#client?.unpipe();
    finish(this.#upstream, end.outcome !== "complete");
    if (this.#client) finish(this.#client, end.outcome === "client_abort");
    this.#onEnd(end);
    this.#resolve?.(end);
  }

  /** Looks at the limits of the session; `nowMs` is `performance.now()`. */
  expire(nowMs: number): void {
    if (this.#isOver) return;
    if (this.#openSince === 0) this.#openSince = this.#lastHeardAt = nowMs;
    if (this.#heard) {
      this.#heard = false;
      this.#lastHeardAt = nowMs;
    }
    if (this.#isClosing) {
      if (this.#closingSince === 0) this.#closingSince = nowMs;
      else if (nowMs - this.#closingSince >= CLOSING_MS) this.#end({ outcome: "complete" });
      return;
    }
    const { idleMs = 0, maxMs = 0 } = this.#rules;
    if (idleMs > 0 && nowMs - this.#lastHeardAt >= idleMs)
      this.close(timeIsUp(`Nothing was said for ${idleMs} ms`));
    else if (maxMs > 0 && nowMs - this.#openSince >= maxMs)
      this.close(timeIsUp(`The session lasted longer than ${maxMs} ms`));
  }
}

function finish(socket: Duplex, atOnce: boolean): void {
  if (atOnce || socket.destroyed) {
    socket.destroy();
    return;
  }
  const late = setTimeout(() => socket.destroy(), CLOSING_MS).unref();
  socket.on("close", () => clearTimeout(late));
  socket.end(() => socket.destroy());
}

function interrupted(): GatewayError {
  return new GatewayError("upstream_interrupted", {
    message: "The backend closed the connection without a word",
    upstream: { kind: "reset", sent: true, status: 101 },
  });
}

/** Nobody's fault: both sides are there. */
function timeIsUp(message: string): GatewayError {
  return new GatewayError("timeout", { message });
}

function handshakeAnswer(headers: readonly string[]): string {
  let text = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${text}\r\n`;
}
