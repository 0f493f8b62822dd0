/** A frame of a WebSocket (RFC 6455, section 5.2). */
export interface Frame {
  opcode: number;
  fin?: boolean;
  /** Absent: none. */
  mask?: Buffer;
  payload?: Buffer;
}

export function encode({ opcode, fin = true, mask, payload = Buffer.alloc(0) }: Frame): Buffer {
  const { length } = payload;
  const size = length < 126 ? Buffer.from([length]) : Buffer.alloc(length < 65_536 ? 3 : 9);
  if (size.length === 3) size.writeUInt16BE(length, 1);
  if (size.length === 9) size.writeBigUInt64BE(BigInt(length), 1);
  if (size.length > 1) size[0] = size.length === 3 ? 126 : 127;
  if (mask) size[0]! |= 0x80;
  return Buffer.concat([
    Buffer.from([(fin ? 0x80 : 0) | opcode]),
    size,
    mask ?? Buffer.alloc(0),
    mask ? payload.map((byte, at) => byte ^ mask[at % 4]!) : payload,
  ]);
}

/** All frames of bytes that end with one, payloads without their masks. */
export function decode(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    const code = second & 0x7f;
    const length =
      code === 126 ? bytes.readUInt16BE(at + 2) : code === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : code;
    at += code === 126 ? 4 : code === 127 ? 10 : 2;
    const mask = second & 0x80 ? bytes.subarray(at, at + 4) : undefined;
    if (mask) at += 4;
    const payload = bytes.subarray(at, at + length);
    at += length;
    frames.push({
      opcode: first & 0x0f,
      fin: first >= 0x80,
      ...(mask && { mask }),
      payload: mask ? Buffer.from(payload.map((byte, index) => byte ^ mask[index % 4]!)) : payload,
    });
  }
  return frames;
}
