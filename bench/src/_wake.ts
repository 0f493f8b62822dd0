import { pinLoad } from "./machine.ts";
import { createSubjects } from "./subjects.ts";
import { startUpstream } from "./upstream.ts";
import { runLoad } from "./load.ts";
import { chatRequest } from "./chat-request.ts";
const cores = pinLoad()!;
const up = await startUpstream();
const other = await createSubjects(cores)[0]!.start(up.url);
const same = await createSubjects({ gateway: cores.load, load: cores.load })[0]!.start(up.url);
for (let i = 0; i < 4; i++) for (const [n, r] of [["other core", other], ["same core", same]] as const) {
  const l = await runLoad({ endpoint: r, request: chatRequest(r, { stream: false }), connections: 1, warmupMs: 500, durationMs: 1500, pid: r.pid });
  console.log(n, "p50", l.latencies[l.latencies.length >> 1]!.toFixed(3), "rps", l.requestsPerSecond | 0, "cpu us/req", ((l.subjectBusy / l.requestsPerSecond) * 1e6).toFixed(0), "load", l.loadBusy.toFixed(2), "others", l.othersBusy.toFixed(2));
}
await other.stop(); await same.stop(); up.close();
