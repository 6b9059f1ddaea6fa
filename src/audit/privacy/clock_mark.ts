/**
 * The time that retention trusts. A clock that is ahead makes every record old, and what is dropped doesn't come back: so the wall clock is
 * compared with the last time that was trusted, which outlives the process in a file of the log's folder, and with the time passed since by the monotonic clock.
 */
import type { Clock } from "../../system/index.js";
import { nodeFiles } from "../log/files.js";

export const CLOCK_MARK = "retention-clock";
/** Milliseconds by which the wall clock may be ahead: a service may have been stopped for so long. */
export const AHEAD_MS_MAX = 86_400_000;

export class ClockMark {
  readonly #directory: string;
  readonly #clock: Clock;
  #trusted: { wall: number; monotonic: number };

  /** @param lastRecordMs time of the log's last record before this process wrote any; null if it had none. Counts if no time was ever trusted */
  constructor(directory: string, clock: Clock, lastRecordMs: number | null) {
    this.#directory = directory;
    this.#clock = clock;
    const kept = readMark(directory);
    const wall = kept ?? lastRecordMs ?? clock.wall();
    // At once: by the next start the last record may be of a clock that is ahead.
    if (kept === null && Number.isFinite(wall)) trustClock(directory, wall);
    this.#trusted = { wall, monotonic: clock.monotonic() };
  }

  /** Milliseconds by which the wall clock is ahead of what can be explained; 0: it is trusted, and that is kept. */
  ahead(): number {
    const [wall, monotonic] = [this.#clock.wall(), this.#clock.monotonic()];
    const expected = this.#trusted.wall + monotonic - this.#trusted.monotonic;
    if (wall > expected + AHEAD_MS_MAX) return wall - expected;
    trustClock(this.#directory, wall);
    this.#trusted = { wall, monotonic };
    return 0;
  }
}

/** Keeps a time as trusted: because it follows from the last one, or since an operator's command was given by it. */
export function trustClock(directory: string, wallMs: number): void {
  nodeFiles(directory).replace(CLOCK_MARK, Buffer.from(`${new Date(wallMs).toISOString()}\n`));
}

/** Returns null in a directory that has no mark yet. */
function readMark(directory: string): number | null {
  const files = nodeFiles(directory);
  if (!files.list().includes(CLOCK_MARK)) return null;
  const ms = Date.parse(files.read(CLOCK_MARK).toString().trim());
  // Nothing is older than that: what is damaged holds retention, until an operator's command replaces it.
  return Number.isNaN(ms) ? -Infinity : ms;
}
