import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

/** What a reader of the figures must know of the machine; no names of hosts. */
export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Whether the gateway and the load each had a core of their own. */
  readonly pinned: boolean;
}

/** The cores that the two sides are held to. */
export interface Cores {
  readonly gateway: number;
  readonly load: number;
}

export function describeMachine(cores: Cores | null): Machine {
  return {
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    cpu: cpus()[0]?.model ?? "unknown",
    // Not `availableParallelism`: this process is held to one of them.
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    pinned: cores !== null,
  };
}

/**
 * Holds this process, which is load and upstream, to the second core it may use, and says which one the first is.
 * Null where there is no `taskset` or only one core: then everything shares what there is.
 */
export function pinLoad(): Cores | null {
  const [gateway, load] = allowedCores();
  if (gateway === undefined || load === undefined) return null;
  try {
    execFileSync("taskset", ["-a", "-c", "-p", String(load), String(process.pid)], { stdio: "ignore" });
  } catch {
    return null;
  }
  return { gateway, load };
}

function allowedCores(): number[] {
  const list = readProc(`/proc/self/status`)?.match(/^Cpus_allowed_list:\s*(\S+)$/m)?.[1];
  if (list === undefined) return [];
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Resident memory of a process in bytes; NaN where there is no /proc or the process is gone. */
export function residentBytes(pid: number): number {
  const kilobytes = readProc(`/proc/${pid}/status`)?.match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) * 1024;
}

/** Processor time a process has used, user and system, in milliseconds (in steps of 10); NaN as above. */
export function cpuMs(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return Number.NaN;
  // Fields 14 and 15 of proc(5), counted behind the command's name, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** Processor time that all programs together have had, on all cores, in milliseconds; NaN where there is no /proc. */
export function machineCpuMs(): number {
  const ticks = readProc("/proc/stat")
    ?.match(/^cpu +(.*)$/m)?.[1]
    ?.split(" ")
    .map(Number);
  if (ticks === undefined) return Number.NaN;
  const [user = 0, nice = 0, system = 0] = ticks;
  // Time that other guests of a virtual machine's host took; interrupts belong to no program and are left out.
  const stolen = ticks[7] ?? 0;
  return (user + nice + system + stolen) * MS_PER_TICK;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
