import { crc32 } from "node:zlib";

/** Length and CRC-32 of the payload, both 32 bits, little endian. */
const HEADER_BYTES = 8;

/** A payload as it stands in a segment. Payloads are not empty: a run of zeros must not read as records. */
export function encodeRecord(payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const record = Buffer.allocUnsafe(HEADER_BYTES + length);
  record.write(payload, HEADER_BYTES);
  record.writeUInt32LE(length, 0);
  record.writeUInt32LE(crc32(record.subarray(HEADER_BYTES)), 4);
  return record;
}

export interface SegmentEnd {
  /** Bytes up to the end of the last good record. */
  end: number;
  /** What follows `end`: nothing, a write that a crash cut short, or a bad record before good ones. */
  tail: "none" | "torn" | "damaged";
}

/** Calls `visit` with each good record from the start on. */
export function readRecords(segment: Buffer, visit: (payload: string) => void): SegmentEnd {
  let end = 0;
  for (let next = recordAt(segment, 0); next?.good; next = recordAt(segment, end)) {
    visit(segment.toString("utf8", end + HEADER_BYTES, next.end));
    end = next.end;
  }
  if (end === segment.length) return { end, tail: "none" };
  const bad = recordAt(segment, end);
  const goodAfter = bad !== undefined && recordAt(segment, bad.end)?.good === true;
  return { end, tail: goodAfter ? "damaged" : "torn" };
}

/** The record at `start`, if there is room for it. */
function recordAt(segment: Buffer, start: number): { good: boolean; end: number } | undefined {
  if (start + HEADER_BYTES > segment.length) return undefined;
  const length = segment.readUInt32LE(start);
  const end = start + HEADER_BYTES + length;
  if (length === 0 || end > segment.length) return undefined;
  const good = crc32(segment.subarray(start + HEADER_BYTES, end)) === segment.readUInt32LE(start + 4);
  return { good, end };
}
