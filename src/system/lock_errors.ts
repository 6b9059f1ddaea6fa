/** Errors of locks, apart from what takes one: the command line reports them without loading SQLite. */

/** Process that has a lock, as its own file says. */
export interface Holder {
  pid: number;
  /** Name of its machine or container. */
  host: string;
  /** PID namespace, as Linux names it; null if the kernel doesn't say. */
  space: string | null;
}

export class Locked extends Error {
  override readonly name = "Locked";

  /** @param holder null: unknown, since its file is missing or unreadable */
  constructor(
    message: string,
    readonly holder: Holder | null = null,
  ) {
    super(message);
  }
}

/** A lock needs a file, and that can't be written. */
export class LockUnwritable extends Error {
  override readonly name = "LockUnwritable";
}

/** The file system can't keep two machines, or two kernels, from having one lock. */
export class LockUnsafe extends Error {
  override readonly name = "LockUnsafe";
}
