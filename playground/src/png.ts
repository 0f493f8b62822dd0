import { crc32, deflateSync } from "node:zlib";
import { hash } from "./random.ts";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const SIDE = 8;

/** A valid picture of one colour, chosen by `seed`. `minBytes` makes the file longer by a private chunk of zeros. */
export function makePng(seed: string, minBytes = 0): Buffer {
  const colour = hash(seed);
  const header = Buffer.from([0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 2, 0, 0, 0]);
  const pixel = [colour >>> 24, (colour >>> 16) & 0xff, (colour >>> 8) & 0xff];
  const row = [0, ...Array.from({ length: SIDE }, () => pixel).flat()];
  const pixels = Buffer.from(Array.from({ length: SIDE }, () => row).flat());
  const picture = [chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))];
  const missing = minBytes - Buffer.concat([SIGNATURE, ...picture]).length;
  // Lower-case first and second letter: readers may skip it, and no one else defines it.
  if (missing > 0) picture.splice(1, 0, chunk("paDd", Buffer.alloc(missing)));
  return Buffer.concat([SIGNATURE, ...picture]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
