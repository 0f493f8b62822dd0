/**
 * Packs every published package as npm would publish it and checks the tarball: what is in it, its `package.json`
 * (publint) and whether its types resolve for ESM (attw). Needs a build.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { listPublished, ROOT, type Workspace } from "./workspace.ts";

/** What `npm pack --json` tells of one tarball. */
interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** The condition that leads to sources stands for files of the repository, which are not published. */
const SOURCE_CONDITION = "gatewright-source";

const folder = mkdtempSync(join(tmpdir(), "gatewright-pack-"));
let failed = 0;
try {
  for (const workspace of listPublished()) {
    const faults = await check(workspace);
    console.log(`${faults.length === 0 ? "ok  " : "FAIL"} ${workspace.manifest.name}`);
    for (const fault of faults) console.error(`  ${fault}`);
    failed += faults.length;
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed === 0 ? 0 : 1;

async function check({ folder: workspace, manifest }: Workspace): Promise<string[]> {
  const { exports = {} } = manifest;
  const packed = pack(workspace);
  const tarball = join(folder, packed.filename);
  const paths = new Set(packed.files.map(({ path }) => path));
  const wanted = ["LICENSE", "README.md", ...entryFiles(exports)];
  return [
    ...wanted.filter((file) => !paths.has(file)).map((file) => `${file} is not in the package`),
    ...[...paths].filter(isStray).map((file) => `${file} does not belong into the package`),
    ...(await lintManifest(tarball)),
    ...(Object.keys(exports).length > 0 ? checkTypes(tarball) : []),
  ];
}

function pack(workspace: string): Packed {
  const args = ["pack", "--json", "--silent", "--pack-destination", folder, "-w", workspace];
  const [packed] = JSON.parse(execFileSync("npm", args, { cwd: ROOT, encoding: "utf8" })) as [Packed];
  return packed;
}

/** Files that `exports` name outright, save the sources, which stay in the repository. */
function entryFiles(exports: NonNullable<Workspace["manifest"]["exports"]>): string[] {
  return Object.values(exports)
    .flatMap((entry) => (entry === null ? [] : typeof entry === "string" ? [entry] : Object.values(entry)))
    .filter((file) => !file.includes("*") && !file.startsWith("./src/"))
    .map((file) => file.replace("./", ""));
}

function isStray(path: string): boolean {
  return /(?:^|\/)(?:src|test)\/|\.test\.|\.tsbuildinfo$|\.env/.test(path) && !path.startsWith("template/");
}

async function lintManifest(tarball: string): Promise<string[]> {
  const stream = Readable.toWeb(createReadStream(tarball)) as ReadableStream<Uint8Array>;
  const { messages, pkg } = await publint({ pack: { tarball: stream }, strict: true });
  return messages
    .filter(({ path }) => path.at(-1) !== SOURCE_CONDITION)
    .map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

function checkTypes(tarball: string): string[] {
  const args = ["--no-install", "attw", tarball, "--profile", "esm-only", "--no-emoji", "--no-color"];
  const { status, stdout, stderr } = spawnSync("npx", args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? [] : [`attw: ${stdout}${stderr}`];
}
