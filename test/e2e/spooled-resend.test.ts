import { describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { jsonReply, MODEL, scripted, stageBefore } from "./_stage.ts";

const BOUNDARY = "between";
/** The model behind the file: the form is read whole before it is sent, so that it can be sent again. */
const FORM = [
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n${"a".repeat(300_000)}\r\n`,
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\n${MODEL}\r\n`,
  `--${BOUNDARY}--\r\n`,
].join("");
const UPLOAD = requestText("POST", "/v1/audio/transcriptions", {
  headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
  body: FORM,
});

describe("a spooled upload", () => {
  it("is sent whole once more where the backend had closed the kept connection", async () => {
    const forms: string[] = [];
    const upstream = await scripted(async (connection) => {
      for (;;) {
        const { body } = await connection.readRequest();
        forms.push(String(body));
        // The first connection is closed with its second request, unanswered.
        if (forms.length === 2) {
          connection.destroy();
          return;
        }
        await connection.send(jsonReply({ text: "hello" }));
      }
    });
    const stage = await stageBefore(upstream);
    const client = await connectRaw(stage.url);
    for (let n = 0; n < 2; n++) {
      await client.send(UPLOAD);
      const reply = await readReply(client);
      expect([reply.status, String(reply.body)]).toEqual([200, '{"text":"hello"}']);
    }
    expect(upstream.connections).toHaveLength(2);
    expect(forms).toEqual([FORM, FORM, FORM]);
    client.destroy();
  });
});
