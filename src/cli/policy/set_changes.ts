/** Changes of a policy set's files, gathered until they are asked for. */
import { readdirSync, statSync, watch, type FSWatcher } from "node:fs";
import { join, relative, sep } from "node:path";
import { systemTimers } from "../../system/index.js";

/** Editors write a file in several steps. */
const SETTLES_MS = 80;
const WATCHED = /\.(yaml|rego)$/;

export interface Watching {
  /** Resolves with the files that changed since the last call, relative to the folder; null once stopped. */
  changed: () => Promise<readonly string[] | null>;
  stop: () => void;
}

export function watching(folder: string): Watching {
  const files = new Set<string>();
  let waiting: ((files: readonly string[] | null) => void) | null = null;
  let settled = true;
  let stopped = false;
  const give = (): void => {
    if (waiting === null || !(stopped || (settled && files.size > 0))) return;
    const resolve = waiting;
    waiting = null;
    resolve(stopped ? null : [...files]);
    files.clear();
  };
  let cancel = (): void => undefined;
  const note = (path: string): void => {
    if (!WATCHED.test(path)) return;
    files.add(relative(folder, path));
    settled = false;
    cancel();
    cancel = systemTimers.after(SETTLES_MS, () => {
      settled = true;
      give();
    });
  };
  // Each folder by itself: what watches a whole tree loses a file that an editor replaces by another (Node 20, on Linux).
  const watchers = new Map<string, FSWatcher>();
  const forget = (of: string): void => {
    for (const [path, watcher] of watchers) {
      if (path !== of && !path.startsWith(of + sep)) continue;
      watcher.close();
      watchers.delete(path);
    }
  };
  const follow = (of: string, isNew: boolean): void => {
    if (watchers.has(of) || statSync(of, { throwIfNoEntry: false })?.isDirectory() !== true) return;
    const watcher = watch(of, (event, name) => {
      if (name === null || name.startsWith(".")) return;
      const path = join(of, name);
      note(path);
      // Another folder of this name, perhaps.
      if (event === "rename") forget(path);
      follow(path, true);
    });
    watcher.on("error", () => {
      forget(of);
    });
    watchers.set(of, watcher);
    for (const name of readdirSync(of)) {
      if (name.startsWith(".")) continue;
      // It may have come before anybody watched its folder.
      if (isNew) note(join(of, name));
      follow(join(of, name), isNew);
    }
  };
  follow(folder, false);
  return {
    changed: () =>
      new Promise((resolve) => {
        waiting = resolve;
        give();
      }),
    stop: () => {
      stopped = true;
      forget(folder);
      cancel();
      give();
    },
  };
}
