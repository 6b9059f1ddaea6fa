/**
 * Reads, in a standby, a log that another process writes, so that a start has less of it to read. It reads records that a checkpoint
 * covers, and segments that others follow: no crash takes these back.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Position } from "../audit/export/source.js";
import { usesIn, type SegmentUses } from "../audit/log/past.js";
import { segmentsOf } from "../audit/log/record_lines.js";
import { CHECKPOINT } from "../audit/log/seal.js";
import { readUnverified } from "../audit/tree/checkpoint.js";
import { Chain } from "../decision/chain.js";
import { Incidents } from "../findings/incidents.js";
import { recallIncidents } from "../findings/recall.js";
import type { ProfileAhead } from "./profile_ahead.js";
import { readBytes } from "../system/read_file.js";

/** Most bytes read from the log's end. Earlier ones are read by a start that needs them. */
const BYTES_MAX = 128 * 1024 * 1024;

export class PastAhead {
  /** Incidents of the records up to `place`. */
  readonly incidents = new Incidents();
  readonly uses = new Map<string, SegmentUses>();
  #place: Position | null = null;

  /**
   * @param profile null: no baseline is learned
   * @param chain receives the last decisions of tasks, up to `place`; left out: no tasks
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
   * @returns false if an earlier log here had more records: everything read from it is useless
   * @throws the file system's error, or NoteError for an invalid checkpoint
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
