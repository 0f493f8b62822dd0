/** A server or proxy that goes down, or ends a session that lasts too long (RFC 6455, section 7.4.1). */
export const GOING_AWAY = 1001;

/** The server behind a proxy failed (IANA's registry of WebSocket close codes). */
export const BAD_GATEWAY = 1014;

/** Longest reason: a control frame holds 125 bytes, two of them for the code (RFC 6455, section 5.5). */
const MAX_REASON_BYTES = 123;

/** A close frame as a server sends it, not masked. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, MAX_REASON_BYTES);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x88;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
