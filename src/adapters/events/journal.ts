/**
 * Remembers accepted tokens, on disk before they are answered: the same token gets the same answer again, also after a restart. A file of
 * JSON lines, synced in groups; rewritten when it holds twice as many as are remembered.
 */
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { nullIfMissing, readRegularFile } from "../../system/read_file.js";
import { replaceFile } from "../../system/replaced_file.js";

/** A token that was taken. */
export interface AcceptedToken {
  /** Its transmitter, and its `jti`. */
  from: string;
  jti: string;
  /** Digest of its claims. */
  digest: string;
  /** Subjects that an event restores, and as of when. An earlier event that comes later restores nothing, and cuts nothing off. */
  restored?: { targets: readonly string[]; as_of_ms: number };
}

const FILE = "received.jsonl";

export class Journal {
  readonly #folder: string;
  readonly #max: number;
  readonly #damaged: (detail: string) => void;
  /** Oldest first. */
  readonly #taken = new Map<string, AcceptedToken>();
  readonly #restored = new Map<string, number>();
  #file: FileHandle | null = null;
  #lines = 0;
  #waiting: { taken: AcceptedToken; resolve: () => void; reject: (cause: unknown) => void }[] = [];
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();

  /** @param damaged told where what was remembered can't be read, or not all of it */
  static async open(folder: string, max: number, damaged: (detail: string) => void): Promise<Journal> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const journal = new Journal(folder, max, damaged);
    await journal.#load();
    await journal.#rewrite();
    return journal;
  }

  private constructor(folder: string, max: number, damaged: (detail: string) => void) {
    this.#folder = folder;
    this.#max = max;
    this.#damaged = damaged;
  }

  get size(): number {
    return this.#taken.size;
  }

  find(from: string, jti: string): AcceptedToken | undefined {
    return this.#taken.get(keyOf({ from, jti }));
  }

  /**
   * Returns the time, in milliseconds since the epoch, as of which this transmitter last restored the target; -Infinity if not remembered.
   */
  restored(from: string, target: string): number {
    return this.#restored.get(`${from} ${target}`) ?? -Infinity;
  }

  /** Resolves when it is on disk. @throws whatever the disk says */
  add(taken: AcceptedToken): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ taken, resolve, reject });
      if (!this.#isWriting) this.#writing = this.#writeAll();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = null;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#lines + group.length > 2 * this.#max) await this.#rewrite();
        const file = (this.#file ??= await open(join(this.#folder, FILE), "a", 0o600));
        await file.appendFile(group.map(({ taken }) => lineOf(taken)).join(""));
        await file.datasync();
        this.#lines += group.length;
        for (const { taken } of group) this.#remember(taken);
        for (const { resolve } of group) resolve();
      } catch (cause) {
        // A line may be there in part: the next one must not go on in it.
        await this.#file?.close().catch(() => undefined);
        this.#file = null;
        this.#lines = Infinity;
        for (const { reject } of group) reject(cause);
      }
    }
    this.#isWriting = false;
  }

  #remember(taken: AcceptedToken): void {
    const key = keyOf(taken);
    this.#taken.delete(key);
    this.#taken.set(key, taken);
    for (const of of restoredBy(taken))
      this.#restored.set(of, Math.max(taken.restored?.as_of_ms ?? -Infinity, this.#restored.get(of) ?? -Infinity));
    for (const [oldest, gone] of this.#taken) {
      if (this.#taken.size <= this.#max) break;
      this.#taken.delete(oldest);
      for (const of of restoredBy(gone)) if (this.#restored.get(of) === gone.restored?.as_of_ms) this.#restored.delete(of);
    }
  }

  async #load(): Promise<void> {
    const file = join(this.#folder, FILE);
    const bytes = await readRegularFile(file).catch(nullIfMissing);
    if (bytes === null) return;
    const lines = bytes.toString("utf8").split("\n");
    // What a crash has cut off was never answered for.
    lines.pop();
    let unread = 0;
    for (const line of lines) {
      const taken = readLine(line);
      if (taken === null) unread++;
      else this.#remember(taken);
    }
    if (unread > 0) this.#damaged(`${unread} lines of ${file} are none of its`);
  }

  /** Writes everything remembered to a new file, which then replaces the other. */
  async #rewrite(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
    await replaceFile(join(this.#folder, FILE), [...this.#taken.values()].map(lineOf).join(""), 0o600);
    this.#lines = this.#taken.size;
  }
}

const restoredBy = ({ from, restored }: AcceptedToken): string[] => (restored?.targets ?? []).map((target) => `${from} ${target}`);
const keyOf = ({ from, jti }: { from: string; jti: string }): string => `${from} ${jti}`;
const lineOf = (taken: AcceptedToken): string => `${JSON.stringify({ v: 1, ...taken })}\n`;

/** Parses a line; null if it is invalid. */
function readLine(line: string): AcceptedToken | null {
  try {
    const { v, from, jti, digest, restored } = JSON.parse(line) as Partial<AcceptedToken> & { v?: unknown };
    if (v !== 1 || typeof from !== "string" || typeof jti !== "string" || typeof digest !== "string") return null;
    return { from, jti, digest, ...(restored === undefined ? {} : { restored }) };
  } catch {
    return null;
  }
}
