import { performance } from "node:perf_hooks";
import { rateLimit } from "@gatewright/rate-limit";
import { concurrency } from "@gatewright/concurrency";
import { setupMiddlewares, createHost, FakeContext, createTarget } from "/work/main/test/plugins/_context.ts";
const host = createHost();
for (const [name, plugin] of [["none", undefined],["bucket", rateLimit({ capacity: 1e6, rate: 1e6 })],["4 limits", rateLimit({limits:[{rate:1e6},{rate:1e6},{scope:"global",rate:1e6},{scope:"operation",rate:1e6}]})]] as const) {
  const ms = plugin ? await setupMiddlewares([plugin], host) : [(c:any,n:any)=>n()];
  const p = Promise.resolve({status:200,headers:{},body:null});
  const ctxs = new FakeContext({ candidates: [createTarget("x")] }, host);
  const listeners: any[] = [];
  const ctx: any = { operation: ctxs.operation, request: ctxs.request, vars: {}, setReplyHeader(n: string, v: string) { (this.h ??= {})[n.toLowerCase()] = v; }, onFinished(l: any) { l({durationMs:1}); } , log: host.log, id: "x"};
  const next = () => p;
  for (let r = 0; r < 3; r++) {
    const N = 300000; const t = performance.now();
    for (let i = 0; i < N; i++) { host.nowMs += 0.02; ctx.vars.rateLimit = undefined; ctx.h = undefined; void ms[0]!(ctx, next).catch?.(() => {}); }
    if (r === 2) console.log(name, ((performance.now() - t) / N * 1e6 | 0), "ns");
    await 0;
  }
}
