/**
 * The reference: the least that node:http and undici do when they pass a request on. No route, no policy, no check.
 * Plain JavaScript, so that nothing but Node stands between this file and the processor.
 *
 * Usage: node bare.js --port N --upstream URL
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Pool } from "undici";

const { values } = parseArgs({ options: { port: { type: "string" }, upstream: { type: "string" } } });
const upstream = new URL(values.upstream);
const pool = new Pool(upstream.origin, { connections: 4_096, headersTimeout: 0, bodyTimeout: 0 });

/** Bodies up to this size are read whole and sent with their length; longer ones flow through. */
const SMALL_BODY_BYTES = 1024 * 1024;
const STRIPPED = new Set(["connection", "keep-alive", "transfer-encoding"]);

createServer({ noDelay: true }, (req, res) => {
  if (Number(req.headers["content-length"]) > SMALL_BODY_BYTES) {
    passOn(req, res, req);
    return;
  }
  const chunks = [];
  req.on("data", (chunk) => chunks.push(chunk));
  req.on("end", () => passOn(req, res, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
}).listen({ host: "127.0.0.1", port: Number(values.port), backlog: 4_096 });

function passOn(req, res, body) {
  const headers = {
    "content-type": req.headers["content-type"],
    "content-length": req.headers["content-length"],
  };
  let upstreamCall;
  res.on("close", () => {
    if (!res.writableFinished) upstreamCall?.abort(new Error("the client left"));
  });
  pool.dispatch(
    { path: req.url, method: req.method, headers, body },
    {
      onRequestStart(controller) {
        upstreamCall = controller;
        res.on("drain", () => controller.resume());
      },
      onResponseStart(_controller, status, headers) {
        const passed = {};
        for (const name in headers) if (!STRIPPED.has(name)) passed[name] = headers[name];
        res.writeHead(status, passed);
      },
      onResponseData(controller, chunk) {
        if (!res.write(chunk)) controller.pause();
      },
      onResponseEnd() {
        res.end();
      },
      onResponseError(_controller, error) {
        if (res.headersSent) res.destroy();
        else res.writeHead(502).end(error.message);
      },
    },
  );
}
