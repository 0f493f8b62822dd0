import { basename } from "node:path";
import { nodeFileSystem } from "../../../core/src/state/file/file-system.ts";
import type { FileSystem } from "../../../core/src/state/file/file-system.ts";

export interface FaultFs {
  readonly fs: FileSystem;
  /** Every call so far, as `name file`. */
  readonly calls: string[];
  /** Asked before each call that changes something; an error returned is thrown instead of the call. */
  fault: (call: string, file: string) => Error | undefined;
}

type Handle = Awaited<ReturnType<FileSystem["open"]>>;

/**
 * The real file system with faults. A sync that fails drops everything written to the file since its last sync, as
 * Linux may (pages marked clean without being on disk), so that a second sync that succeeds proves nothing.
 */
export function createFaultFs(): FaultFs {
  const faulty: FaultFs = { fs: undefined as unknown as FileSystem, calls: [], fault: () => undefined };

  function check(call: string, path: string): void {
    const file = basename(path);
    faulty.calls.push(`${call} ${file}`);
    const error = faulty.fault(call, file);
    if (error) throw error;
  }

  function wrap(handle: Handle, path: string): Handle {
    let syncedBytes = 0;
    const sync = (call: "sync" | "datasync") => async () => {
      const stat = await handle.stat();
      try {
        check(call, path);
      } catch (error) {
        if (stat.isFile()) await handle.truncate(syncedBytes);
        throw error;
      }
      await handle[call]();
      syncedBytes = stat.size;
    };
    const write =
      (call: "appendFile" | "writeFile"): Handle["writeFile"] =>
      async (data, options) => {
        check(call, path);
        await handle[call](data, options);
      };
    return new Proxy(handle, {
      get(target, name) {
        if (name === "sync" || name === "datasync") return sync(name);
        if (name === "appendFile" || name === "writeFile") return write(name);
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  const fs: FileSystem = {
    ...nodeFileSystem,
    async open(path, flags, mode) {
      check(`open:${flags}:${mode?.toString(8) ?? ""}`, String(path));
      return wrap(await nodeFileSystem.open(path, flags, mode), String(path));
    },
    async rename(from, to) {
      check("rename", String(to));
      await nodeFileSystem.rename(from, to);
    },
    async link(from, to) {
      check("link", String(to));
      await nodeFileSystem.link(from, to);
    },
  };
  return Object.assign(faulty, { fs });
}

export function ioError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
