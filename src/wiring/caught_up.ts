/**
 * What a standby has read of a log that another process writes, so that a start has less of it to read. Of records it takes those
 * that a checkpoint covers, and of segments those that others follow: no crash takes these back.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Position } from "../audit/export/source.js";
import { usesIn, type SegmentUses } from "../audit/past.js";
import { segmentsOf } from "../audit/reading.js";
import { CHECKPOINT } from "../audit/seal.js";
import { readUnverified } from "../audit/tree/checkpoint.js";
import { Chain } from "../decision/chain.js";
import { Incidents } from "../findings/incidents.js";
import { recallIncidents } from "../findings/recall.js";
import type { ProfileAhead } from "./profile_ahead.js";
import { readBytes } from "../system/read_file.js";

/** Of the log's end. What comes before it is read by a start that needs it. */
const BYTES_MAX = 128 * 1024 * 1024;

export class CaughtUp {
  /** Of the records up to `place`. */
  readonly incidents = new Incidents();
  readonly uses = new Map<string, SegmentUses>();
  #place: Position | null = null;

  /**
   * @param profile null: nothing is learned of what is usual
   * @param chain takes in the last decisions of tasks, up to `place`; left out: of none
   */
  constructor(
    readonly folder: string,
    readonly profile: ProfileAhead | null = null,
    readonly chain = new Chain(0),
  ) {}

  /** Null before the first time that there was something to read. */
  get place(): Position | null {
    return this.#place;
  }

  /**
   * Reads what has come.
   * @returns false where a log that had more records stood here before: nothing that was read of that is of use
   * @throws the file system's error, or NoteError for a checkpoint that is none
   */
  advance(now_ms: number): boolean {
    const covered = readUnverified(readBytes(join(this.folder, CHECKPOINT))).size;
    const read = this.#place?.seq ?? 0;
    if (covered < read) return false;
    if (covered > read) this.#place = recallIncidents(this.folder, this.incidents, now_ms, this.#place, covered, this.chain);
    this.profile?.cover(covered);
    let bytes = 0;
    for (const { name } of segmentsOf(this.folder).reverse().slice(1)) {
      const path = join(this.folder, name);
      bytes += statSync(path).size;
      if (bytes > BYTES_MAX) break;
      if (!this.uses.has(name)) this.uses.set(name, usesIn(readBytes(path)));
    }
    return true;
  }
}
