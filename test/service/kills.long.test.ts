import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { placeIn } from "./child.js";
import { killService } from "./kills.js";

/** More with `REMIT_KILLS=200`. A seed brings the same load again; what is killed in the middle of what, it doesn't. */
const KILLS = Number(process.env["REMIT_KILLS"] ?? 10);
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const KILLS_UNTIL_SEEN = 25;

/** Small segments, so that kills come while one ends and another begins. */
// By the shipped purpose all is flagged at night: so much of it would narrow whoever does it.
const SECTIONS = { behavior: { enabled: false }, log: { segment_bytes: 256 * 1024 } };

/** A store whose commits come one group late. */
const LATE_COMMIT: readonly Edit[] = [
  cut.call(
    "store/file.js",
    "write",
    ["exec", "BEGIN IMMEDIATE"],
    'if (this.#db.inTransaction) this.#db.exec("COMMIT"); this.#db.exec("BEGIN IMMEDIATE")',
  ),
  cut.call("store/file.js", "write", ["exec", "COMMIT"]),
];

const CARELESS: Readonly<Record<string, { edits: readonly Edit[]; seen: RegExp }>> = {
  "a change is acknowledged before it is committed, and a start doesn't look whether the log has more": {
    edits: [...LATE_COMMIT, cut.never("facts/ledger.js", "complete", "recorded")],
    seen: /^lost/,
  },
  "a decision is answered before its record is written": {
    edits: [
      cut.call(
        "audit/log/writer.js",
        "write",
        "append",
        "if (globalThis.before !== undefined) segments.append(...globalThis.before); globalThis.before = [Buffer.from(bytes), seq]",
      ),
    ],
    // A checkpoint covers what isn't there, and the next start refuses the log.
    seen: /^(unrecorded|lost: what was there can't be read)/,
  },
  "uses of grants are counted in memory alone": {
    edits: [cut.call("facts/commands.js", "Commands.open", "registry.count")],
    seen: /^over_used/,
  },
  "how far an import has come is stored by itself": {
    edits: [
      cut.call(
        "facts/import.js",
        "applyPart",
        "ledger.commit",
        `(async () => {
          for (const part of [writes.slice(0, -1), writes.slice(-1)]) {
            await commands.ledger.commit(part.map((write) => ({ ...write, by, reason })));
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        })()`,
      ),
    ],
    seen: /^half/,
  },
  "a revocation is acknowledged as durable when it holds in memory": {
    edits: [
      cut.call(
        "facts/ledger.js",
        "Ledger.narrow",
        "settle",
        "(void this.settle(turn, key), Promise.resolve({ revision: this.#registry.revision + 1, durable: true, problem: null }))",
      ),
    ],
    seen: /^(lost|revocations_lost)/,
  },
};

describe("a service killed under load", function () {
  this.timeout(3_600_000 + KILLS * 20_000);
  const copies: string[] = [];
  after(() => {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  });

  it(`has all that it acknowledged and no half of anything, over ${KILLS} kills (REMIT_SEED=${SEED})`, async () => {
    const found = await killService(placeIn(temporaryDirectory(), SECTIONS), { kills: KILLS, seed: SEED });
    expect(found.violations).to.deep.equal([]);
    // It was looked at something.
    expect(found.changes).to.be.above(5 * found.kills);
    expect(found.decisions).to.be.above(10 * found.kills);
    expect(found.uses_recorded).to.be.at.least(found.uses_told).and.above(found.kills);
    expect(found.unanswered).to.be.above(0);
    expect(found.revocations).to.be.above(0);
  });

  for (const [what, { edits, seen }] of Object.entries(CARELESS)) {
    it(`is seen to be careless where ${what}`, async () => {
      mkdirSync(asset(".work"), { recursive: true });
      const copy = mkdtempSync(join(asset(".work"), "careless-"));
      copies.push(copy);
      const main = new Copies(copy, edits).path("cli/main.js");
      const place = placeIn(temporaryDirectory(), SECTIONS, main);
      const { violations } = await killService(place, { kills: KILLS_UNTIL_SEEN, seed: SEED, first: true });
      expect(violations.join("\n")).to.match(seen);
    });
  }
});
