/** Formats that speech can be made in: those whose frames are simple enough to be valid when written by hand. */
export const AUDIO_TYPES = { mp3: "audio/mpeg", wav: "audio/wav", pcm: "audio/pcm" } as const;
export type AudioFormat = keyof typeof AUDIO_TYPES;

const SAMPLE_RATE = 24_000;
const TONE_HZ = 440;
const AMPLITUDE = 6000;
/** MPEG-1 Layer III, 128 kbit/s, 44.1 kHz, stereo: floor(144 · 128000 / 44100) bytes a frame. */
const MP3_HEADER = [0xff, 0xfb, 0x90, 0x00];
const MP3_FRAME_BYTES = 417;
const MP3_SIDE_INFO_BYTES = 32;
const MP3_FRAMES_A_BLOCK = 100;

/**
 * Audio of at least `bytes` bytes (to the next whole frame), block by block: any length without holding it. The same
 * on every run, and no block equals another, so that a hash finds blocks lost or swapped.
 */
export function* makeAudio(format: AudioFormat, bytes: number): Generator<Buffer> {
  if (format === "mp3") {
    yield* mp3Frames(Math.ceil(bytes / MP3_FRAME_BYTES));
    return;
  }
  const samples = Math.ceil(bytes / 2);
  if (format === "wav") yield wavHeader(samples * 2);
  yield* tone(samples);
}

/** Silence: with empty side information a decoder skips the rest of the frame, which carries the frame's number. */
function* mp3Frames(count: number): Generator<Buffer> {
  for (let done = 0; done < count; done += MP3_FRAMES_A_BLOCK) {
    const frames = Math.min(MP3_FRAMES_A_BLOCK, count - done);
    const block = Buffer.alloc(frames * MP3_FRAME_BYTES);
    for (let frame = 0; frame < frames; frame++) {
      const start = frame * MP3_FRAME_BYTES;
      block.set(MP3_HEADER, start);
      block.write(String(done + frame), start + MP3_HEADER.length + MP3_SIDE_INFO_BYTES, "latin1");
    }
    yield block;
  }
}

/** A tone, 16 bits mono, a second a block; the first two samples of a block hold its number. */
function* tone(samples: number): Generator<Buffer> {
  const second = Buffer.alloc(SAMPLE_RATE * 2);
  for (let index = 0; index < SAMPLE_RATE; index++) {
    second.writeInt16LE(
      Math.round(AMPLITUDE * Math.sin((2 * Math.PI * TONE_HZ * index) / SAMPLE_RATE)),
      index * 2,
    );
  }
  for (let done = 0; done < samples; done += SAMPLE_RATE) {
    const block = Buffer.from(second);
    block.writeUInt32LE(done / SAMPLE_RATE, 0);
    yield block.subarray(0, Math.min(SAMPLE_RATE, samples - done) * 2);
  }
}

/** RIFF header of PCM, 16 bits mono. */
function wavHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + dataBytes, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(SAMPLE_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(dataBytes, 40);
  return header;
}
