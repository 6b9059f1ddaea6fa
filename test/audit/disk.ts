import { segmentName } from "../../src/audit/log/segments.js";
import type { LogFiles } from "../../src/audit/log/files.js";

interface Inode {
  now: Buffer;
  onDisk: Buffer;
}

export type Fault = {
  at: number;
  operation: "write" | "sync" | "open" | "truncate" | "replace";
  after: boolean;
  code: string;
};

/**
 * A disk that forgets at a crash what was not synced, and that fails where it is told to: before the operation took
 * effect, or after it did.
 */
export class ModelDisk implements LogFiles {
  readonly #names = new Map<string, Inode>();
  readonly #namesOnDisk = new Map<string, Inode>();
  readonly #open = new Map<number, Inode>();
  readonly #counts = new Map<string, number>();
  #next = 3;
  fault: Fault | null = null;
  faulted = 0;
  /** How many operations in a row fail from the fault on. */
  lasting = 1;
  syncs = 0;
  shortWrites = false;

  list(): string[] {
    return [...this.#names.keys()];
  }

  read(name: string): Buffer {
    return Buffer.from(this.#inode(name).now);
  }

  open(name: string): number {
    return this.#fail("open", () => {
      if (!this.#names.has(name)) this.#names.set(name, { now: Buffer.alloc(0), onDisk: Buffer.alloc(0) });
      this.#open.set(this.#next, this.#inode(name));
      return this.#next++;
    });
  }

  write(file: number, bytes: Buffer, position: number): number {
    return this.#fail("write", () => {
      const part = this.shortWrites ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes;
      const inode = this.#file(file);
      const grown = Buffer.alloc(Math.max(inode.now.length, position + part.length));
      inode.now.copy(grown);
      part.copy(grown, position);
      inode.now = grown;
      return part.length;
    });
  }

  size(file: number): number {
    return this.#file(file).now.length;
  }

  truncate(file: number, length: number): void {
    this.#fail("truncate", () => {
      const inode = this.#file(file);
      inode.now = inode.now.subarray(0, length);
    });
  }

  sync(file: number): void {
    this.#fail("sync", () => {
      this.syncs++;
      const inode = this.#file(file);
      inode.onDisk = inode.now;
    });
  }

  close(file: number): void {
    this.#open.delete(file);
  }

  syncDirectory(): void {
    this.#namesOnDisk.clear();
    for (const [name, inode] of this.#names) this.#namesOnDisk.set(name, inode);
  }

  replace(name: string, bytes: Buffer): void {
    this.#fail("replace", () => {
      const inode = { now: Buffer.from(bytes), onDisk: Buffer.from(bytes) };
      this.#names.set(name, inode);
      this.#namesOnDisk.set(name, inode);
    });
  }

  /** From here on, so many operations of a kind fail. */
  failNext(operation: Fault["operation"], lasting = 1): void {
    this.fault = { at: (this.#counts.get(operation) ?? 0) + 1, operation, after: false, code: "ENOSPC" };
    this.lasting = lasting;
  }

  /** The power goes. Of a file's unsynced bytes a part may have reached the disk all the same. */
  crash(kept: (unsynced: number) => number = () => 0): void {
    this.#open.clear();
    this.#names.clear();
    for (const [name, inode] of this.#namesOnDisk) {
      const extra = Math.max(0, inode.now.length - inode.onDisk.length);
      const survives = Buffer.from(inode.now.subarray(0, inode.onDisk.length + kept(extra)));
      inode.onDisk.copy(survives);
      inode.now = inode.onDisk = survives;
      this.#names.set(name, inode);
    }
    this.fault = null;
  }

  put(firstSeq: number, text: string | Buffer): void {
    const bytes = Buffer.from(text);
    this.#names.set(segmentName(firstSeq), { now: bytes, onDisk: bytes });
    this.syncDirectory();
  }

  text(): string {
    return [...this.#names.keys()]
      .filter((name) => name.endsWith(".jsonl"))
      .sort()
      .map((name) => this.read(name).toString())
      .join("");
  }

  /** The last whole line that holds this text, of those that a crash now would leave. */
  lineOnDisk(text: string): string | null {
    for (const name of [...this.#namesOnDisk.keys()].sort().reverse()) {
      const bytes = this.#namesOnDisk.get(name)?.onDisk ?? Buffer.alloc(0);
      const found = bytes.lastIndexOf(text);
      const end = found < 0 ? -1 : bytes.indexOf("\n", found);
      if (end >= 0) return bytes.toString("utf8", bytes.lastIndexOf("\n", found) + 1, end);
    }
    return null;
  }

  #inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw new Error(`ENOENT: ${name}`);
    return inode;
  }

  #file(file: number): Inode {
    const inode = this.#open.get(file);
    if (inode === undefined) throw new Error("EBADF");
    return inode;
  }

  #fail<T>(operation: Fault["operation"], act: () => T): T {
    const count = (this.#counts.get(operation) ?? 0) + 1;
    this.#counts.set(operation, count);
    const { fault } = this;
    const hit = fault?.operation === operation && count >= fault.at && count < fault.at + this.lasting;
    if (!hit) return act();
    this.faulted++;
    if (fault.after) act();
    throw new Error(`${fault.code}: ${operation}`);
  }
}
