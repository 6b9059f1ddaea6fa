/** A wall clock that can be set under one process, by libfaketime (Debian: `libfaketime`); its monotonic clock goes on. */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const NO_WALL_CLOCK =
  "there is no libfaketime here: on Debian, `apt-get install libfaketime`; or name its file in REMIT_LIBFAKETIME";

export class WallClock {
  /** Of the process whose clock it is. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  #ahead_ms = 0;

  /**
   * @param file that says how far ahead the clock is
   * @param library as `libfaketime` finds it
   */
  constructor(file: string, library: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      // Read at each call, so that a jump holds at once.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    this.set(0);
  }

  /** Milliseconds by which it is ahead of this process's clock. */
  get ahead_ms(): number {
    return this.#ahead_ms;
  }

  /** Lets it jump to so many milliseconds ahead of this process's clock. */
  set(ahead_ms: number): void {
    // In one step: the other process reads it whenever it asks for the time.
    writeFileSync(`${this.#file}.new`, `${ahead_ms < 0 ? "-" : "+"}${Math.abs(ahead_ms) / 1000}s\n`);
    renameSync(`${this.#file}.new`, this.#file);
    this.#ahead_ms = ahead_ms;
  }
}

/** Returns where the build for programs with threads is; null if there is none. */
export function libfaketime(): string | null {
  const folders = ["/usr/lib", "/usr/local/lib", "/usr/lib64"].filter((folder) => existsSync(folder));
  const places = folders.flatMap((folder) => [folder, ...readdirSync(folder).map((name) => join(folder, name))]);
  const found = places.map((place) => join(place, "faketime", "libfaketimeMT.so.1"));
  return (
    [...(process.env["REMIT_LIBFAKETIME"] ? [process.env["REMIT_LIBFAKETIME"]] : []), ...found].find((file) => existsSync(file)) ?? null
  );
}
