/**
 * Last way to revoke everything, for when no request gets through: a file beside the store. Its existence is what counts; on a disk without
 * room for its text it works anyway. Whoever can write there could do worse.
 */
import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Type, type Static } from "../contract/type.js";
import { errorMessage } from "../system/error_message.js";
import { schemas } from "../system/schemas.js";
import type { Timers } from "../system/index.js";
import { nullIfMissing, readRegularFile } from "../system/read_file.js";
import { flushSync } from "../system/replaced_file.js";

export const STOP_FILE = "stop.json";
/** More isn't read; that the file is there is what counts. */
const STOP_BYTES_MAX = 64 * 1024;
/** A running service looks so often. */
const LOOK_MS = 200;

const Stop = Type.Object(
  {
    reason: Type.String({ minLength: 1, maxLength: 512 }),
    by: Type.String({ minLength: 1, maxLength: 256 }),
  },
  { additionalProperties: false },
);
export type Stop = Static<typeof Stop>;

const isStop = schemas().compile<Stop>(Stop);
/** Reason and author for a file that doesn't say. */
const UNSAID: Stop = { reason: `${STOP_FILE} is there`, by: "file" };

/**
 * Puts the file there, on disk when this returns.
 * @param folder of the store
 * @returns false where there was room for the file and not for its text
 * @throws Error of the file system where not even the file could be made
 */
export function writeStop(folder: string, stop: Stop): boolean {
  const file = join(folder, STOP_FILE);
  const partial = `${file}.${process.pid}.partial`;
  try {
    writeFileSync(partial, JSON.stringify(stop), { mode: 0o644, flush: true });
    renameSync(partial, file);
    flushSync(folder);
    return true;
  } catch (cause) {
    rmSync(partial, { force: true });
    if (existsSync(file)) return true;
    if (!["ENOSPC", "EDQUOT", "EIO"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    closeSync(openSync(file, "a", 0o644));
    return false;
  }
}

/** Reads the stop file; null if it doesn't exist. @throws Error of the file system if that can't be determined */
export async function readStop(folder: string): Promise<Stop | null> {
  const file = join(folder, STOP_FILE);
  // Needs no file descriptor: without one left, a service must not take the file for one that it can't read.
  if ((await stat(file).catch(nullIfMissing)) === null) return null;
  try {
    const said: unknown = JSON.parse((await readRegularFile(file, STOP_BYTES_MAX)).toString());
    return isStop(said) ? said : UNSAID;
  } catch {
    return UNSAID;
  }
}

export interface StopEvents {
  /** Revokes everything, at once, and resolves with whether that is durable: then the file has done its work. */
  stop(stop: Stop): Promise<boolean>;
  /** Once, until it works again. */
  failed(detail: string): void;
}

/**
 * Looks for the file now and a few times a second. It is removed once the revocation that it asks for is durable, so that lifting that
 * works as with any other; until then each start applies it again.
 * @returns once it was looked for the first time, and the revocation that it asks for holds
 */
export async function watchStop(folder: string, timers: Timers, events: StopEvents): Promise<() => void> {
  let busy = false;
  let failing = false;
  const look = async (taken: () => void): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      const stop = await readStop(folder);
      if (stop !== null) {
        const durable = events.stop(stop);
        taken();
        if (await durable) await rm(join(folder, STOP_FILE), { force: true });
      }
      failing = false;
    } catch (cause) {
      if (!failing) events.failed(errorMessage(cause));
      failing = true;
    } finally {
      busy = false;
      taken();
    }
  };
  await new Promise<void>((resolve) => void look(resolve));
  return timers.every(LOOK_MS, () => void look(() => undefined));
}
