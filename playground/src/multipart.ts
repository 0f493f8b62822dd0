import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy, type BusboyHeaders } from "@fastify/busboy";
import { Refusal } from "./refusal.ts";

/** One file of a form. Its bytes are counted and hashed as they come, never kept. */
export interface FormFile {
  field: string;
  filename: string;
  mimeType: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** A multipart body, in the order of its parts. */
export interface Form {
  fields: [name: string, value: string][];
  files: FormFile[];
}

/** Reads a multipart body as it flows. @throws Refusal when it is no such body or ends early. */
export async function readForm(headers: IncomingHttpHeaders, body: AsyncIterable<Buffer>): Promise<Form> {
  const form: Form = { fields: [], files: [] };
  try {
    const parser = new Busboy({ headers: headers as BusboyHeaders });
    parser.on("field", (name, value) => form.fields.push([name, value]));
    parser.on("file", (field, stream, filename, _encoding, mimeType) => {
      const digest = createHash("sha256");
      const file: FormFile = { field, filename, mimeType, bytes: 0, sha256: "" };
      form.files.push(file);
      stream.on("error", (error: Error) => parser.destroy(error));
      stream.on("data", (chunk: Buffer) => {
        digest.update(chunk);
        file.bytes += chunk.length;
      });
      stream.on("end", () => (file.sha256 = digest.digest("hex")));
    });
    await pipeline(Readable.from(body), parser);
  } catch (cause) {
    throw new Refusal(400, "We could not parse the multipart body of your request.", { cause });
  }
  return form;
}

/** The first value of a field, its name with or without `[]`. */
export function field(form: Form, name: string): string | undefined {
  return form.fields.find(([given]) => given === name || given === `${name}[]`)?.[1];
}
