import { readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { watch } from "chokidar";
import { isFolder } from "./find-file.ts";

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
  let watched = withLinkTargets(sources);
  let folders = foldersOf(watched);
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
  watcher.on("error", (error) => {
    // A link that leads to itself is told as gone, and seen when it comes back.
    if ((error as NodeJS.ErrnoException).code !== "ELOOP") onError(error);
  });

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
    watched = withLinkTargets(next);
    folders = foldersOf(watched);
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

/** A link is watched with what it leads to, there or not: chokidar loses a link whose target goes. */
function withLinkTargets(sources: readonly string[]): Set<string> {
  const paths = new Set(sources);
  // A set hands out what is added while it is walked, so links to links are followed, and circles end.
  for (const path of paths) {
    const target = linkTarget(path);
    if (target !== undefined) paths.add(resolve(dirname(path), target));
  }
  return paths;
}

/** Undefined where there is no link: asked in one step, since a link may go at any time. */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** A source that is itself a folder is watched with the files in it. */
function foldersOf(sources: ReadonlySet<string>): string[] {
  const paths = [...sources];
  const inside = paths.filter(isFolder);
  return [...new Set([...paths.map((path) => dirname(path)), ...inside])];
}
