/** Changes of a policy set's files, gathered until they are asked for. */
import { watch } from "node:fs";
import { sep } from "node:path";
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
  const watcher = watch(folder, { recursive: true }, (_, file) => {
    if (file === null || !WATCHED.test(file) || file.split(sep).some((step) => step.startsWith("."))) return;
    files.add(file);
    settled = false;
    cancel();
    cancel = systemTimers.after(SETTLES_MS, () => {
      settled = true;
      give();
    });
  });
  return {
    changed: () =>
      new Promise((resolve) => {
        waiting = resolve;
        give();
      }),
    stop: () => {
      stopped = true;
      watcher.close();
      cancel();
      give();
    },
  };
}
