/** The index of a folder, for who looks at it from outside: beside a running service, or at a copy. Nothing in it is changed. */
import { mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { lock } from "../../system/lock.js";
import { segmentsOf } from "../reading.js";
import { INDEX_FILE, IndexFile, partialOf, removeIndex } from "./file.js";
import { RecordIndex, type Lacking } from "./record_index.js";
import { IndexUnfit } from "./unfit.js";

export interface OfflineOptions {
  overdue_ms: number;
  /** Told now and then how far it has come: the last record, and which share of the bytes. */
  progress: (seq: number, share: number) => void;
}

const AT_ONCE = 50_000;

interface Opened {
  index: RecordIndex;
  close: () => void;
}

/** The index of all that was there when it was last made to go on. */
export class OfflineIndex {
  readonly #folder: string;
  readonly #options: OfflineOptions;
  #opened: Opened;

  constructor(folder: string, options: OfflineOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#opened = open(folder, options);
  }

  /** Until it goes on, or is made anew. */
  get index(): RecordIndex {
    return this.#opened.index;
  }

  goOn(): void {
    try {
      this.index.advance(Infinity, Infinity);
    } catch (cause) {
      // The folder's own file takes no block from here; by now it may have it from the service.
      if (!(cause instanceof Sqlite.SqliteError && cause.code === "SQLITE_READONLY")) throw cause;
      this.close();
      this.#opened = open(this.#folder, this.#options);
    }
  }

  /** From the records alone, where what the folder has isn't what they say. */
  renew(): void {
    this.close();
    this.#opened = madeAside(this.#folder, this.#options);
  }

  close(): void {
    this.#opened.close();
  }
}

/** What the log lacks of the records that the index goes up to; null: nothing. */
export function lackingOf(index: RecordIndex): Lacking | null {
  const steps = index.lacking();
  for (;;) {
    const { value, done } = steps.next();
    if (done === true) return value;
  }
}

function open(folder: string, options: OfflineOptions): Opened {
  const kept = openKept(folder, options);
  if (kept !== null)
    return {
      index: kept,
      close: () => {
        kept.close();
      },
    };
  try {
    return madeAside(folder, options, (file) => {
      copyKept(folder, file);
    });
  } catch (cause) {
    if (!(cause instanceof IndexUnfit)) throw cause;
    return madeAside(folder, options);
  }
}

/** @param begin puts there what needn't be made */
function madeAside(folder: string, options: OfflineOptions, begin?: (file: string) => void): Opened {
  const temporary = mkdtempSync(join(tmpdir(), "remit-index-"));
  try {
    const file = join(temporary, INDEX_FILE);
    begin?.(file);
    const index = build(folder, file, options);
    const close = (): void => {
      index.close();
      rmSync(temporary, { recursive: true, force: true });
    };
    return { index, close };
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw cause;
  }
}

/**
 * Makes the index of a folder anew.
 * @returns the last record in it, and what the log lacks of those up to there
 * @throws Locked where a service has the folder
 */
export function rebuildIndex(folder: string, options: OfflineOptions): { seq: number; lacking: Lacking | null } {
  const unlock = lock(folder, join(folder, "lock"));
  const partial = partialOf(join(folder, INDEX_FILE));
  try {
    removeIndex(partial);
    const index = build(folder, partial, options);
    const made = { seq: index.indexedTo, lacking: lackingOf(index) };
    index.close();
    removeIndex(join(folder, INDEX_FILE));
    renameSync(partial, join(folder, INDEX_FILE));
    return made;
  } finally {
    removeIndex(partial);
    unlock();
  }
}

/** What the folder has, where all that is missing from it fits in memory. */
function openKept(folder: string, { overdue_ms }: OfflineOptions): RecordIndex | null {
  let file: IndexFile | null = null;
  try {
    file = new IndexFile(join(folder, INDEX_FILE), { readonly: true });
    const index = new RecordIndex({ folder, file, overdue_ms });
    index.advance(Infinity, Infinity);
    return index;
  } catch (cause) {
    file?.close();
    if (cause instanceof IndexUnfit || cause instanceof Sqlite.SqliteError) return null;
    throw cause;
  }
}

/** What is good of it needn't be made again. */
function copyKept(folder: string, to: string): void {
  try {
    const file = new IndexFile(join(folder, INDEX_FILE), { readonly: true });
    try {
      file.copyTo(to);
    } finally {
      file.close();
    }
  } catch (cause) {
    if (!(cause instanceof IndexUnfit || cause instanceof Sqlite.SqliteError)) throw cause;
    removeIndex(to);
  }
}

export function build(folder: string, path: string, { overdue_ms, progress }: OfflineOptions): RecordIndex {
  const open = (): RecordIndex => {
    const file = new IndexFile(path);
    try {
      return new RecordIndex({ folder, file, overdue_ms });
    } catch (cause) {
      file.close();
      throw cause;
    }
  };
  let index: RecordIndex;
  try {
    index = open();
  } catch (cause) {
    if (!(cause instanceof IndexUnfit)) throw cause;
    removeIndex(path);
    index = open();
  }
  const sizes = segmentsOf(folder).map(({ name }) => ({ name, bytes: statSync(join(folder, name)).size }));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  try {
    for (let before = -1; before < index.indexedTo;) {
      before = index.indexedTo;
      index.advance(Infinity, AT_ONCE);
      const { segment = "", offset = 0 } = index.at ?? {};
      const read = sizes.reduce((sum, { name, bytes }) => (name < segment ? sum + bytes : sum), offset);
      if (index.indexedTo > before) progress(index.indexedTo, total === 0 ? 1 : Math.min(1, read / total));
    }
    return index;
  } catch (cause) {
    index.close();
    throw cause;
  }
}
