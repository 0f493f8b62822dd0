import { statSync } from "node:fs";
import { dirname } from "node:path";
import { watch } from "chokidar";

export interface ConfigWatcher {
  /** Resolves when changes are seen. */
  readonly ready: Promise<void>;
  /** Takes a change that came before it could be seen for one that was. Resolves when `onChange` has run. */
  trigger(): Promise<void>;
  close(): Promise<void>;
}

/** Changes that come closer together are one. Longer than chokidar's own 50 ms, in which it drops repeated events. */
const DEBOUNCE_MS = 100;

/**
 * Watches the sources of a config, files that do not exist yet included. `onChange` gets the paths that changed and
 * returns the sources of the new load, which are watched from then on; it never runs twice at once. `onError` gets what
 * it throws.
 */
export function watchConfig(
  sources: readonly string[],
  onChange: (changed: readonly string[]) => Promise<readonly string[]> | readonly string[],
  { onError }: { onError: (error: unknown) => void },
): ConfigWatcher {
  let watched = new Set(sources);
  let folders = foldersOf(sources);
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let ready = false;
  let closed = false;

  // Folders, not files: an editor that saves by rename puts another inode in the file's place.
  const isWatched = (path: string): boolean => watched.has(path) || watched.has(dirname(path));
  const watcher = watch(folders, {
    depth: 0,
    // What a folder holds when it is taken up later may be newer than the load that named it: such a report counts.
    ignoreInitial: false,
    ignored: (path, stats) => stats?.isFile() === true && !isWatched(path),
  });
  watcher.on("all", (_, path) => {
    if (!ready || closed || !isWatched(path)) return;
    changed.add(path);
    schedule();
  });
  watcher.on("error", onError);

  function schedule(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void run(), DEBOUNCE_MS);
  }

  function run(): Promise<void> {
    running ??= report().finally(() => (running = undefined));
    return running;
  }

  async function report(): Promise<void> {
    while (changed.size > 0) {
      if (closed) return;
      const paths = [...changed];
      changed.clear();
      try {
        update(await onChange(paths));
      } catch (error) {
        onError(error);
      }
    }
  }

  function update(next: readonly string[]): void {
    const before = folders;
    watched = new Set(next);
    folders = foldersOf(next);
    watcher.unwatch(before.filter((folder) => !folders.includes(folder)));
    watcher.add(folders.filter((folder) => !before.includes(folder)));
  }

  return {
    ready: new Promise((resolve) => {
      watcher.once("ready", () => {
        ready = true;
        resolve();
      });
    }),
    trigger() {
      for (const path of watched) changed.add(path);
      return run();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await watcher.close();
      await running;
    },
  };
}

/** A source that is itself a folder is watched with the files in it. */
function foldersOf(sources: readonly string[]): string[] {
  const inside = sources.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
  return [...new Set([...sources.map((path) => dirname(path)), ...inside])];
}
