/** From what the records and the tiles lead to, and what was signed, to what is wrong. */
import { records, type Damage, type DamagedRange } from "./damage.js";
import type { Hash } from "./hash.js";
import { TILE_WIDTH } from "./levels.js";
import type { Recomputed } from "./recompute.js";
import { tilePath } from "./tiles.js";

/** A checkpoint: the log's own, with a good signature, or one kept elsewhere. */
export interface Claim {
  name: string;
  own: boolean;
  /** The name of the log that it is of. */
  origin: string;
  size: number;
  root: Hash;
  trust: "signed" | "forged" | "another_key" | "another_log";
}

export interface LogClaims {
  claims: readonly Claim[];
  tree: Recomputed;
  /** The last record's number. */
  reached: number;
  /** Lines out of place, and what isn't a record. */
  structural: readonly Damage[];
  /** The log says that its beginning, up to this record, was dropped by retention. */
  kept_from: number;
}

export interface LogJudgement {
  damage: Damage[];
  notes: string[];
  elsewhere: { name: string; size: number; holds: boolean }[];
}

/** Result of checking a claim about the log. */
type Outcome =
  /** The records lead to it, or the tiles do. */
  | "records"
  | "tiles"
  /** Neither does. */
  | "neither"
  /** The log doesn't reach so far. */
  | "beyond"
  /** Records before it are missing, and no tile has them. */
  | "unknown";

/** More ranges than these are told as one. */
const NAMED_MAX = 3;

export function judge({ claims, tree, reached, structural, kept_from }: LogClaims): LogJudgement {
  const outcomes = claims.map((claim) => ({ claim, outcome: outcomeOf(claim, tree, reached) }));
  const trusted = outcomes.filter(({ claim }) => claim.trust === "signed");
  const proven = (by: Outcome): number => Math.max(0, ...trusted.flatMap(({ claim, outcome }) => (outcome === by ? [claim.size] : [])));
  const [byRecords, byTiles] = [proven("records"), proven("tiles")];
  const provenBelow = (size: number): number =>
    Math.max(
      0,
      ...trusted.flatMap(({ claim, outcome }) => ((outcome === "records" || outcome === "tiles") && claim.size < size ? [claim.size] : [])),
    );
  const own = trusted.find(({ claim }) => claim.own);

  const retained = structural.find(({ kind, from, to }) => kind === "dropped" && from === 1 && to < kept_from);
  const lost = retained !== undefined && own?.outcome === "unknown" ? lostTiles(tree, retained) : [];
  const dropped = own?.outcome === "tiles" || lost.length > 0 ? retained : undefined;
  const differing = differences(tree, byRecords, byTiles);
  const explained = [...structural.filter((damage) => damage !== dropped), ...lost, ...differing];
  const damage = [...explained];

  for (const { claim, outcome } of trusted) {
    if (outcome !== "beyond") continue;
    const missing = `the log ends at record ${reached}; ${claim.name} was signed over ${claim.size}`;
    damage.push({ kind: claim.own ? "truncated" : "rolled_back", from: reached + 1, to: claim.size, message: missing });
  }
  const failing = trusted
    .filter(({ outcome }) => outcome === "neither")
    .map(({ claim }) => claim)
    .sort((a, b) => a.size - b.size);
  const [first] = failing;
  if (first !== undefined && !explained.some(({ from }) => from <= first.size))
    damage.push(contradicted(first, own?.outcome, tree, provenBelow(first.size)));
  damage.push(...untrusted(outcomes, own?.claim.origin), ...upperTiles(tree, own?.outcome));

  const notes = trusted.flatMap(({ claim, outcome }) =>
    outcome === "unknown" ? [`${claim.name} couldn't be compared: records before ${claim.size} are missing`] : [],
  );
  const hashes = lost.length > 0 ? "not all of their hashes are there" : "their hashes are there, and lead to the checkpoint";
  if (dropped !== undefined) notes.push(`${records(dropped.from, dropped.to)}: dropped by retention, as the log says; ${hashes}`);
  const vouched = Math.max(byRecords, byTiles);
  if (damage.length > 0 && vouched < reached && own?.outcome !== "records" && own?.outcome !== "tiles")
    notes.push(
      `${records(vouched + 1, reached)}: nothing that was signed vouches for them as they are, so more may be altered than is told here`,
    );
  const elsewhere = outcomes
    .filter(({ claim }) => !claim.own)
    .map(({ claim: { name, size }, outcome }) => ({ name, size, holds: outcome === "records" || outcome === "tiles" }));
  return { damage, notes, elsewhere };
}

function outcomeOf({ size, root }: Claim, tree: Recomputed, reached: number): Outcome {
  if (size > reached) return "beyond";
  const roots = tree.rootsAt(size);
  if (roots?.records === root) return "records";
  if (roots?.tiles === root) return "tiles";
  return roots === null || (roots.records === null && roots.tiles === null) ? "unknown" : "neither";
}

/** Each is of a record or of its tile, whichever no checkpoint vouches for. */
function differences(tree: Recomputed, byRecords: number, byTiles: number): Damage[] {
  return tree.differing.all.flatMap((range) => {
    const tileAltered = within(range, 1, byRecords)
      .flatMap(byTile)
      .map(({ from, to }): Damage => {
        return {
          kind: "tile_altered",
          from,
          to,
          message: `\`${tileOfLeaf(from)}\` has another hash than ${records(from, to)}, and the records lead to the checkpoint`,
        };
      });
    const recordAltered = within(range, byRecords + 1, byTiles).map(({ from, to }): Damage => ({
      kind: "altered",
      from,
      to,
      message: `${records(from, to)}: not what was signed; the tiles, which lead to the checkpoint, have other hashes`,
    }));
    const either = within(range, Math.max(byRecords, byTiles) + 1, Infinity).map(({ from, to }): Damage => ({
      kind: "altered",
      from,
      to,
      message: `${records(from, to)}: the tiles have other hashes, and no checkpoint says which of the two was altered`,
    }));
    return [...tileAltered, ...recordAltered, ...either];
  });
}

/** Returns the tiles that nothing could make again. Behind the first that the tree can't do without, others may be missing, too. */
function lostTiles(tree: Recomputed, dropped: DamagedRange): Damage[] {
  const ranges = tree.uncovered.all.flatMap((range) => within(range, dropped.from, dropped.to)).flatMap(byTile);
  return ranges.map(({ from, to }) => ({
    kind: "tile_missing",
    from,
    to,
    message: `\`${tileOfLeaf(from)}\` is not there, and ${records(from, to)}, whose hashes it had, were dropped by retention: without it nothing leads to the checkpoint`,
  }));
}

function tileOfLeaf(seq: number): string {
  return tilePath({ level: 0, n: Math.floor((seq - 1) / TILE_WIDTH), width: TILE_WIDTH });
}

/** A range, cut where tiles of leaves end. */
function byTile({ from, to }: DamagedRange): DamagedRange[] {
  const ranges: DamagedRange[] = [];
  for (let at = from; at <= to;) {
    const end = Math.min(to, Math.ceil(at / TILE_WIDTH) * TILE_WIDTH);
    ranges.push({ from: at, to: end });
    at = end + 1;
  }
  return ranges;
}

function within({ from, to }: DamagedRange, least: number, most: number): DamagedRange[] {
  const range = { from: Math.max(from, least), to: Math.min(to, most) };
  return range.from <= range.to ? [range] : [];
}

/** A checkpoint that nothing leads to, and nothing before it that says why. */
function contradicted(claim: Claim, own: Outcome | undefined, tree: Recomputed, proven: number): Damage {
  const { name, size } = claim;
  const from = proven + 1;
  if (own === "records") {
    const message = `${name}, over ${size} records, is of another history than the log now has: they part somewhere in ${records(from, size)}`;
    return { kind: "forked", from, to: size, message };
  }
  const uncovered = tree.uncovered.all.flatMap((range) => within(range, from, size));
  const [firstUncovered] = uncovered;
  const lastUncovered = uncovered.at(-1);
  if (firstUncovered === undefined || lastUncovered === undefined) {
    const message = `records and tiles agree with one another and don't lead to ${name}: somewhere in ${records(from, size)} both were altered`;
    return { kind: "altered", from, to: size, message };
  }
  const ranges = uncovered.length > NAMED_MAX ? [{ from: firstUncovered.from, to: lastUncovered.to }] : uncovered;
  const which = ranges.map(({ from, to }) => records(from, to)).join(" and ");
  // Whoever edits a record may edit its tile as well, and choose by taking a tile away whom else it would be said of.
  const message = `the records don't lead to ${name}: something in ${records(from, size)} was altered, in ${which}, for which there are no tiles, or in others whose tiles were altered alike`;
  return { kind: "altered", from, to: size, message };
}

function untrusted(outcomes: readonly { claim: Claim; outcome: Outcome }[], own: string | undefined): Damage[] {
  return outcomes
    .filter(({ claim, outcome }) => claim.trust !== "signed" && outcome !== "records" && outcome !== "tiles")
    .map(({ claim: { name, origin, size, trust }, outcome }) => {
      if (trust === "another_log")
        return {
          kind: "checkpoint_of_another_log",
          from: 0,
          to: 0,
          message: `${name}, over ${size} records: it is of log \`${origin}\`, not of \`${own ?? ""}\`, which can't be held against it`,
        };
      const signed = trust === "forged" ? "its signature is not by the key it names" : "none of the keys known here has signed it";
      const meets = outcome === "beyond" ? "the log doesn't reach so far" : "the log doesn't lead to it";
      return { kind: "checkpoint_of_another_key", from: 0, to: 0, message: `${name}, over ${size} records: ${signed}, and ${meets}` };
    });
}

/** Returns the altered tiles above the leaves': they only count if it is known what they should be. */
function upperTiles(tree: Recomputed, own: Outcome | undefined): Damage[] {
  if (own !== "records" && own !== "tiles") return [];
  return tree.altered(own).map((path) => {
    const [, level = "", n = ""] = /^tile\/(\d+)\/(.*)$/.exec(path) ?? [];
    const leaves = TILE_WIDTH ** (Number(level) + 1);
    const first = Number(n.replaceAll(/[x/]/g, "")) * leaves + 1;
    return { kind: "tile_altered", from: first, to: first + leaves - 1, message: `\`${path}\` has another hash than the tiles below it` };
  });
}
