import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GeneratedFile } from "./generate.ts";
import { ROOT } from "./workspace.ts";

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const FILE = join(ROOT, "package-lock.json");
const OS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const CPU = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];
const LIBC: Readonly<Record<string, string>> = {
  gnu: "glibc",
  gnueabihf: "glibc",
  musl: "musl",
  musleabihf: "musl",
};

/**
 * `package-lock.json` with the binaries of every platform. A registry mirror may lack those of others; npm then leaves
 * them out of the lock file, and `npm ci` refuses it everywhere. Here they are named by version and platform, without a
 * digest: npm skips them where the platform is another.
 */
export function generateLock(): GeneratedFile[] {
  const text = readFileSync(FILE, "utf8");
  const lock = JSON.parse(text) as { packages: Record<string, LockedPackage> };
  const missing = Object.values(lock.packages).flatMap((locked) => missingFor(locked, lock.packages));
  if (missing.length === 0) return [{ file: FILE, text }];
  const packages = { ...lock.packages, ...Object.fromEntries(missing) };
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  const whole = { ...lock, packages: Object.fromEntries(sorted) };
  return [{ file: FILE, text: `${JSON.stringify(whole, null, 2)}\n` }];
}

/** Packages of one platform that another asks for and the lock file does not have. */
function missingFor(
  { optionalDependencies = {}, dev }: LockedPackage,
  packages: Readonly<Record<string, LockedPackage>>,
): [place: string, locked: LockedPackage][] {
  return Object.entries(optionalDependencies).flatMap(([name, version]): [string, LockedPackage][] => {
    const place = `node_modules/${name}`;
    const isThere = Object.keys(packages).some((path) => path === place || path.endsWith(`/${place}`));
    const platform = platformOf(name);
    if (isThere || !platform || !/^\d+\.\d+\.\d+$/.test(version)) return [];
    return [[place, { version, ...platform, ...(dev && { dev }), optional: true }]];
  });
}

/** `@scope/binding-linux-arm64-musl` as what npm compares; undefined for a package of no platform. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> | undefined {
  const words = new Set(name.replace(/^.*\//, "").split("-"));
  const os = OS.find((word) => words.has(word));
  const cpu = CPU.find((word) => words.has(word));
  if (!os || !cpu) return undefined;
  const libc = Object.keys(LIBC).find((word) => words.has(word));
  return { os: [os], cpu: [cpu], ...(libc && os === "linux" && { libc: [LIBC[libc]!] }) };
}
