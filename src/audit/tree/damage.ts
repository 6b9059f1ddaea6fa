/** Damage to a log: its kinds and its places. */

/** `from` and `to` are of records, by `seq`; 0: it is about no record. */
export interface Damage {
  kind: DamageKind;
  from: number;
  /** Infinity: and all that follow. */
  to: number;
  /** Description of what was found, in one line, with what it was found by. */
  message: string;
}

export const DAMAGE = {
  altered: "a record isn't the one that the tree has",
  dropped: "records are missing",
  inserted: "a line stands among the records that isn't one of them, or is one twice",
  swapped: "records stand in each other's place",
  unreadable: "a line is no record",
  truncated: "the log ends before its own checkpoint",
  rolled_back: "the log ends before a checkpoint that was kept elsewhere",
  forked: "the log has another history than a checkpoint that was kept elsewhere",
  checkpoint_missing: "there is no checkpoint",
  checkpoint_altered: "the checkpoint isn't what was signed",
  checkpoint_of_another_key: "the checkpoint is signed by another key",
  checkpoint_of_another_log: "a checkpoint that was kept elsewhere is of another log",
  tile_altered: "a tile has another hash than its records",
  tile_missing: "a tile is missing that can't be made again: its records were dropped by retention",
  beside_altered: "what stands beside a record is missing or isn't what the record says",
  index_disagrees: "the index says something else than the records",
  published_disagrees: "what is published as files isn't the log, or still has records that were dropped",
} as const;
export type DamageKind = keyof typeof DAMAGE;

/** Returns true if the damage is to something made from the records, which can be good anyway. */
export function isDerived({ kind }: Pick<Damage, "kind">): boolean {
  return kind === "tile_altered" || kind === "index_disagrees" || kind === "published_disagrees";
}

/** `record 7`, `records 7 to 9`, `record 7 and all that follow`. */
export function records(from: number, to: number): string {
  if (to === Infinity) return `record ${from} and all that follow`;
  return from === to ? `record ${from}` : `records ${from} to ${to}`;
}

export interface DamagedRange {
  from: number;
  to: number;
}

/** Beyond this many, what comes later is only counted. */
const RANGES_MAX = 1000;

/** Numbers that come in order, as ranges. */
export class Ranges {
  readonly all: DamagedRange[] = [];
  count = 0;

  add(from: number, to = from): void {
    this.count += to - from + 1;
    const last = this.all.at(-1);
    if (last !== undefined && last.to + 1 === from) last.to = to;
    else if (this.all.length < RANGES_MAX) this.all.push({ from, to });
  }
}
