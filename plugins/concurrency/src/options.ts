import type { Context } from "gatewright";
import * as v from "valibot";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3_600_000));

export const QueueOptions = v.strictObject({
  /** Requests that may wait. @default 100 */
  maxEntries: v.optional(Count, 100),
  /** Longest wait, in milliseconds. @default 60_000 */
  maxWaitMs: v.optional(Milliseconds, 60_000),
  /** The higher goes first. Of equal ones tenants take turns. */
  priority: v.optional(
    v.custom<(ctx: Context) => number>((value) => typeof value === "function", "Expected a function"),
  ),
});

/** What has no meaning beside `slots`. */
const REQUEST_FIELDS = ["maxConcurrent", "queue", "shared", "expectedProcesses", "name"] as const;

export const ConcurrencyOptions = v.pipe(
  v.strictObject({
    /** Requests in flight at once, of this process, or of all where `shared`. @default `100` */
    maxConcurrent: v.optional(Count),
    /** Where requests above that wait. Without it they are refused. */
    queue: v.optional(QueueOptions),
    /** Attempts in flight at once at each backend: an entry of its own, listed after the balancer. */
    slots: v.optional(Count),
    /** Counts over all processes, by leases in the store. @default false */
    shared: v.optional(v.boolean(), false),
    /** Shared: names the cap; processes and entries of one name share it. @default `"requests"` */
    name: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/))),
    /** Shared: slots of a process that died are free after so many milliseconds. @default 30_000 */
    leaseMs: v.optional(v.pipe(Milliseconds, v.minValue(300)), 30_000),
    /**
     * Shared, while the store is down: `open-local` admits by this process's share, `open` all, `closed` none.
     * @default "open-local"
     */
    onStoreFailure: v.optional(v.picklist(["open-local", "open", "closed"]), "open-local"),
    /** Shared: processes that share the cap, for their share in `open-local`. @default the workers of this config */
    expectedProcesses: v.optional(Count),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value.slots === undefined) return;
    const input: Record<string, unknown> = dataset.value;
    for (const key of REQUEST_FIELDS) {
      const value = input[key];
      if (value === undefined || value === false) continue;
      addIssue({
        message: "Not beside `slots`: give it an entry of its own, before the balancer",
        path: [{ type: "object", origin: "value", input, key, value }],
      });
    }
  }),
);

export type ConcurrencyOptions = v.InferOutput<typeof ConcurrencyOptions>;
export type QueueOptions = v.InferOutput<typeof QueueOptions>;
