/** R12, F1, F2: whatever is done to a log's files is found, and where is said. */
import { cpSync, readFileSync, renameSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { DamageKind } from "../../../src/audit/tree/damage.js";
import { readLines } from "../../../src/audit/log/record_lines.js";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { temporaryDirectory } from "../temporary.js";
import { edit as editIn, segmentNamed, type Edit } from "./mutations.js";
import { decisionRecord, LOG_KEY, signerOf, writeLog, type Written } from "./written.js";
import { canonical } from "../../../src/contract/index.js";
import { signCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { leafHash, type Hash } from "../../../src/audit/tree/hash.js";
import { verify, named } from "./tamper_support.js";

const RECORDS = 1100;
const SEGMENT = 300;
const OPTIONS = { records: RECORDS, segment_records: SEGMENT, beside_every: 50 };
/** The last record that a full tile has. */
const TILED = 1024;
const OTHER_KEY = signerOf("somebody else's key");

const segmentOf = (seq: number): string => segmentNamed(seq, SEGMENT);
const edit = (folder: string, seq: number, change: Edit): void => {
  editIn(folder, seq, SEGMENT, change);
};

interface Case {
  what: string;
  damage: (folder: string, log: Written) => void;
  /** The damage that is named first. */
  kind: DamageKind;
  from: number;
  to?: number;
}

/** Found from the files alone. */
const alone: Case[] = [
  {
    what: "a bit flipped in a record that a tile has",
    damage: (folder) => {
      edit(folder, 510, (lines, at) => (lines[at] = (lines[at] ?? "").replace("bob", "boc")));
    },
    kind: "altered",
    from: 510,
  },
  {
    what: "a bit flipped in a record behind the last tile",
    damage: (folder) => {
      edit(folder, 1060, (lines, at) => (lines[at] = (lines[at] ?? "").replace("bob", "boc")));
    },
    kind: "altered",
    from: 1,
    to: RECORDS,
  },
  {
    what: "a decision turned from deny to allow",
    damage: (folder) => {
      edit(folder, 700, (lines, at) => (lines[at] = (lines[at] ?? "").replace(/"decision":"\w+"/, '"decision":"denied"')));
    },
    kind: "altered",
    from: 700,
  },
  {
    what: "a record's number",
    damage: (folder) => {
      edit(folder, 400, (lines, at) => (lines[at] = (lines[at] ?? "").replace(',"seq":400,"st', ',"seq":900,"st')));
    },
    kind: "altered",
    from: 400,
  },
  {
    what: "a record that is no JSON any more",
    damage: (folder) => {
      edit(folder, 400, (lines, at) => (lines[at] = (lines[at] ?? "").slice(0, -3)));
    },
    kind: "unreadable",
    from: 400,
  },
  {
    what: "a record dropped",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => lines.splice(at, 1));
    },
    kind: "dropped",
    from: 350,
  },
  {
    what: "a hundred records dropped",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => lines.splice(at, 100));
    },
    kind: "dropped",
    from: 350,
    to: 449,
  },
  {
    what: "the last record of a segment dropped",
    damage: (folder) => {
      edit(folder, 600, (lines, at) => lines.splice(at, 1));
    },
    kind: "dropped",
    from: 600,
  },
  {
    what: "the last record dropped",
    damage: (folder) => {
      edit(folder, RECORDS, (lines, at) => lines.splice(at, 1));
    },
    kind: "truncated",
    from: RECORDS,
  },
  {
    what: "a record dropped and those behind it numbered again",
    damage: (folder) => {
      for (let seq = 1000; seq <= RECORDS; seq++)
        edit(folder, seq, (lines, at) => {
          const next = seq === RECORDS ? null : decisionRecord(seq + 1);
          if (next === null) lines.splice(at, 1);
          else lines[at] = canonical({ ...next, seq });
        });
    },
    kind: "altered",
    from: 1000,
    to: TILED,
  },
  {
    what: "a record twice",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => lines.splice(at, 0, lines[at] ?? ""));
    },
    kind: "inserted",
    from: 350,
    to: 351,
  },
  {
    what: "an earlier record put in once more",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => lines.splice(at, 0, lines[3] ?? ""));
    },
    kind: "inserted",
    from: 350,
  },
  {
    what: "a forged record put before the one it stands for",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => lines.splice(at, 0, canonical({ ...decisionRecord(350), caller: "forger" })));
    },
    kind: "inserted",
    from: 350,
    to: 351,
  },
  {
    what: "two neighbours swapped",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => ([lines[at], lines[at + 1]] = [lines[at + 1] ?? "", lines[at] ?? ""]));
    },
    kind: "swapped",
    from: 350,
    to: 351,
  },
  {
    what: "two records swapped",
    damage: (folder) => {
      edit(folder, 350, (lines, at) => ([lines[at], lines[at + 40]] = [lines[at + 40] ?? "", lines[at] ?? ""]));
    },
    kind: "swapped",
    from: 350,
    to: 390,
  },
  {
    what: "two segments swapped",
    damage: (folder) => {
      const [a, b] = [join(folder, segmentOf(301)), join(folder, segmentOf(601))];
      renameSync(a, `${a}.x`);
      renameSync(b, a);
      renameSync(`${a}.x`, b);
    },
    kind: "dropped",
    from: 301,
    to: 600,
  },
  {
    what: "the file cut in the middle of a record",
    damage: (folder) => {
      const file = join(folder, segmentOf(RECORDS));
      truncateSync(file, readFileSync(file).length - 10);
    },
    kind: "truncated",
    from: RECORDS,
  },
  {
    what: "the last segment gone",
    damage: (folder) => {
      unlinkSync(join(folder, segmentOf(RECORDS)));
    },
    kind: "truncated",
    from: 901,
    to: RECORDS,
  },
  {
    what: "a segment in the middle gone",
    damage: (folder) => {
      unlinkSync(join(folder, segmentOf(301)));
    },
    kind: "dropped",
    from: 301,
    to: 600,
  },
  {
    what: "the first segment gone",
    damage: (folder) => {
      unlinkSync(join(folder, segmentOf(1)));
    },
    kind: "dropped",
    from: 1,
    to: 300,
  },
  {
    what: "all segments gone",
    damage: (folder) => {
      for (const seq of [1, 301, 601, 901]) unlinkSync(join(folder, segmentOf(seq)));
    },
    kind: "truncated",
    from: 1,
    to: RECORDS,
  },
  {
    what: "the checkpoint signed with another key",
    damage: (folder, log) => {
      writeFileSync(join(folder, "checkpoint"), log.checkpointAt(RECORDS, [OTHER_KEY]));
    },
    kind: "checkpoint_of_another_key",
    from: 0,
  },
  {
    what: "the log rewritten and signed with another key",
    damage: (folder) => {
      rmSync(folder, { recursive: true });
      writeLog(folder, { ...OPTIONS, signers: [OTHER_KEY], text: (seq, usual) => (seq === 9 ? usual.replace("bob", "eve") : usual) });
    },
    kind: "checkpoint_of_another_key",
    from: 0,
  },
  {
    what: "a size in the checkpoint",
    damage: (folder) => {
      const file = join(folder, "checkpoint");
      writeFileSync(file, readFileSync(file, "utf8").replace(`\n${RECORDS}\n`, "\n900\n"));
    },
    kind: "checkpoint_altered",
    from: 0,
  },
  {
    what: "a root in the checkpoint",
    damage: (folder, log) => {
      const [, , root = ""] = log.checkpointAt(900).split("\n");
      const file = join(folder, "checkpoint");
      writeFileSync(file, readFileSync(file, "utf8").replace(/^[^\n]{44}$/m, root));
    },
    kind: "checkpoint_altered",
    from: 0,
  },
  {
    what: "a checkpoint that is no note",
    damage: (folder) => {
      writeFileSync(join(folder, "checkpoint"), "");
    },
    kind: "checkpoint_altered",
    from: 0,
  },
  {
    what: "the checkpoint gone",
    damage: (folder) => {
      unlinkSync(join(folder, "checkpoint"));
    },
    kind: "checkpoint_missing",
    from: 0,
  },
  {
    what: "a tile",
    damage: (folder) => {
      const file = join(folder, "tile", "0", "001");
      const tile = readFileSync(file);
      tile[32 * 43] = (tile[32 * 43] ?? 0) ^ 1;
      writeFileSync(file, tile);
    },
    kind: "tile_altered",
    from: 300,
  },
  {
    what: "records and their tiles, consistently",
    damage: (folder) => {
      const other = `${folder}-other`;
      writeLog(other, { ...OPTIONS, text: (seq, usual) => (seq === 510 ? usual.replace("bob", "eve") : usual) });
      cpSync(join(other, segmentOf(510)), join(folder, segmentOf(510)));
      cpSync(join(other, "tile"), join(folder, "tile"), { recursive: true });
      rmSync(other, { recursive: true });
    },
    kind: "altered",
    from: 1,
    to: RECORDS,
  },
  {
    what: "what stands beside a record",
    damage: (folder) => {
      const file = join(folder, segmentOf(350).replace("jsonl", "beside"));
      writeFileSync(file, readFileSync(file, "utf8").replace("I-350", "I-351"));
    },
    kind: "beside_altered",
    from: 350,
  },
  {
    what: "what stands beside a record, dropped",
    damage: (folder) => {
      const file = join(folder, segmentOf(350).replace("jsonl", "beside"));
      writeFileSync(file, readFileSync(file, "utf8").replace(/^.*I-400".*\n/m, ""));
    },
    kind: "beside_altered",
    from: 400,
  },
  {
    what: "all that stands beside a segment, gone",
    damage: (folder) => {
      unlinkSync(join(folder, segmentOf(350).replace("jsonl", "beside")));
    },
    kind: "beside_altered",
    from: 350,
  },
];

/** The first 300 records as they are, and then others, under the log's own key. */
const regrown = (folder: string, records: number, from: number): void => {
  rmSync(folder, { recursive: true });
  writeLog(folder, { ...OPTIONS, records, text: (seq, usual) => (seq >= from ? usual.replace("bob", "eve") : usual) });
};

/** Self-consistent, under the log's own key: only a checkpoint kept elsewhere shows it. */
const withElsewhere: (Case & { kept: number })[] = [
  {
    what: "the tail cut off and signed again",
    damage: (folder) => {
      rmSync(folder, { recursive: true });
      writeLog(folder, { ...OPTIONS, records: 1000 });
    },
    kept: 1050,
    kind: "rolled_back",
    from: 1001,
    to: 1050,
  },
  {
    what: "the files rolled back a day, checkpoint and all",
    damage: (folder) => {
      rmSync(folder, { recursive: true });
      writeLog(folder, { ...OPTIONS, records: 257 });
    },
    kept: RECORDS,
    kind: "rolled_back",
    from: 258,
    to: RECORDS,
  },
  {
    what: "one record rewritten and the log signed again",
    damage: (folder) => {
      rmSync(folder, { recursive: true });
      writeLog(folder, { ...OPTIONS, text: (seq, usual) => (seq === 510 ? usual.replace("bob", "eve") : usual) });
    },
    kept: 800,
    kind: "forked",
    from: 1,
    to: 800,
  },
  {
    what: "rolled back and grown again",
    damage: (folder) => {
      regrown(folder, RECORDS + 100, 600);
    },
    kept: RECORDS,
    kind: "forked",
    from: 1,
    to: RECORDS,
  },
  {
    what: "a record dropped and the log signed again",
    damage: (folder) => {
      rmSync(folder, { recursive: true });
      const gone = (seq: number): string => canonical({ ...decisionRecord(seq < 500 ? seq : seq + 1), seq });
      writeLog(folder, { ...OPTIONS, text: (seq, usual) => (seq === 1 || seq % 50 === 0 ? usual : gone(seq)) });
    },
    kept: RECORDS,
    kind: "forked",
    from: 1,
    to: RECORDS,
  },
];

describe("a log whose files were tampered with", () => {
  const scratch = temporaryDirectory();
  const log = writeLog(join(scratch, "log"), OPTIONS);
  let copies = 0;
  const copy = (): string => {
    const folder = join(scratch, `copy-${++copies}`);
    log.copyTo(folder);
    return folder;
  };

  it("is found untouched where it is", () => {
    const { records, damage, checkpoint, tiles, notes } = verify(log.folder);
    expect(named(damage)).to.equal("");
    expect(records).to.equal(RECORDS);
    expect(checkpoint?.size).to.equal(RECORDS);
    expect(tiles).to.deep.equal({ read: 4, missing: 0 });
    expect(notes).to.have.lengthOf(1);
    expect(notes[0]).to.match(/no checkpoint that was kept elsewhere/);
  });

  for (const size of [0, 1, 2, 255, 256, 257, 512, 600, 1099]) {
    it(`is found untouched with ${size} records, with or without tiles, and by every earlier checkpoint`, () => {
      for (const tiles of [true, false]) {
        const grown = writeLog(join(scratch, `of-${size}-${tiles}`), { ...OPTIONS, records: size, tiles });
        const kept = [0, 1, 100, 255, 256, 257, 300, 511, 512, size]
          .filter((at) => at <= size)
          .map((at) => ({ name: `checkpoint ${at}`, note: grown.checkpointAt(at) }));
        const { damage, elsewhere } = verify(grown.folder, ...kept);
        expect(named(damage)).to.equal("");
        expect(elsewhere.every(({ holds }) => holds)).to.be.true;
      }
    });
  }

  for (const { what, damage: harm, kind, from, to = from } of alone) {
    it(`shows it, with no more than its key: ${what}`, () => {
      const folder = copy();
      harm(folder, log);
      const { damage } = verify(folder);
      const [first] = damage.filter((one) => one.from === (damage[0]?.from ?? 0));
      expect({ kind: first?.kind, from: first?.from, to: first?.to }, named(damage)).to.deep.equal({ kind, from, to });
    });
  }

  for (const { what, damage: harm, kept, kind, from, to = from } of withElsewhere) {
    it(`shows it to a checkpoint kept elsewhere, and to nothing else: ${what}`, () => {
      const folder = copy();
      harm(folder, log);
      expect(named(verify(folder).damage)).to.equal("");
      const { damage, elsewhere } = verify(folder, { name: "the auditor's", note: log.checkpointAt(kept) });
      expect(damage.map((one) => ({ kind: one.kind, from: one.from, to: one.to }))).to.deep.equal([{ kind, from, to }]);
      expect(elsewhere).to.deep.equal([{ name: "the auditor's", size: kept, holds: false }]);
    });
  }

  it("says of a checkpoint of another log that it is that, whoever has signed it", () => {
    const other = signerOf("another log's key", "other.example/pdp");
    for (const keys of [[LOG_KEY.verifier], [LOG_KEY.verifier, other.verifier]]) {
      const kept = {
        name: "the auditor's",
        note: signCheckpoint({ origin: "other.example/pdp", size: 800, root: log.leaves[0] as Hash }, [other]),
      };
      const { damage, elsewhere } = verifyLog({ folder: log.folder, keys, elsewhere: [kept] });
      expect(damage.map(({ kind, from }) => ({ kind, from }))).to.deep.equal([{ kind: "checkpoint_of_another_log", from: 0 }]);
      expect(named(damage)).to.match(/^the auditor's, over 800 records: it is of log `other\.example\/pdp`, not of `log\.example\/pdp`/);
      expect(elsewhere[0]?.holds).to.be.false;
    }
  });

  it("names the records that have no tile where one of them was altered, and none between them", () => {
    const folder = copy();
    unlinkSync(join(folder, "tile", "0", "000"));
    edit(folder, 11, (lines, at) => (lines[at] = (lines[at] ?? "").replace("bob", "eve")));
    const { damage } = verify(folder);
    expect(named(damage)).to.match(
      /was altered, in records 1 to 256 and records 1025 to 1100, for which there are no tiles, or in others whose tiles/,
    );
  });

  it("never names only good records where a record and its hash in a tile were altered alike", () => {
    for (const seq of [2, 11, 256, 257, 700, 1024]) {
      const folder = copy();
      edit(folder, seq, (lines, at) => (lines[at] = (lines[at] ?? "").replace("2026", "2025")));
      const tile = join(folder, "tile", "0", `00${Math.floor((seq - 1) / 256)}`);
      const hashes = readFileSync(tile);
      const [line] = [...readLines(folder, seq, seq)].map(({ bytes }) => leafHash(bytes));
      hashes.write(line ?? "", ((seq - 1) % 256) * 32, "latin1");
      writeFileSync(tile, hashes);
      const { damage } = verify(folder);
      expect(damage.length, String(seq)).to.be.above(0);
      expect(
        damage.some(({ kind, from, to }) => kind === "altered" && from <= seq && seq <= to),
        `${seq}: ${named(damage)}`,
      ).to.equal(true);
    }
  });

  it("says that more may be altered where nothing that was signed vouches for the rest", () => {
    const folder = copy();
    edit(folder, 1060, (lines, at) => (lines[at] = (lines[at] ?? "").replace("bob", "eve")));
    edit(folder, 1070, (lines, at) => lines.splice(at, 1));
    const { damage, notes } = verify(folder);
    expect(damage.map(({ kind, from }) => ({ kind, from }))).to.deep.equal([{ kind: "dropped", from: 1070 }]);
    expect(notes.join("; ")).to.match(/records 1 to 1100: nothing that was signed vouches for them/);
  });

  it("is told from where on it is another, by two checkpoints kept elsewhere", () => {
    const folder = copy();
    regrown(folder, RECORDS, 600);
    const kept = [500, 1000].map((size) => ({ name: `checkpoint ${size}`, note: log.checkpointAt(size) }));
    const { damage } = verify(folder, ...kept);
    expect(damage.map(({ kind, from, to }) => ({ kind, from, to }))).to.deep.equal([{ kind: "forked", from: 501, to: 1000 }]);
  });

  it("shows each of two histories to whoever holds the other's checkpoint", () => {
    const folder = copy();
    regrown(folder, RECORDS, 600);
    const fork = { name: "the other", note: readFileSync(join(folder, "checkpoint")) };
    expect(verify(log.folder, fork).damage.map(({ kind }) => kind)).to.deep.equal(["forked"]);
    const own = { name: "the one", note: log.checkpointAt(RECORDS) };
    expect(verify(folder, own).damage.map(({ kind }) => kind)).to.deep.equal(["forked"]);
  });

  it("takes the key that the log names where none is given, says that this is weaker, and then takes a forger's", () => {
    const folder = join(scratch, "forged");
    writeLog(folder, { ...OPTIONS, signers: [OTHER_KEY] });
    const { damage, keys, notes } = verifyLog({ folder, keys: null, elsewhere: [] });
    expect(named(damage)).to.equal("");
    expect(keys).to.deep.equal({ vkeys: [OTHER_KEY.verifier.vkey], named_by: "log" });
    expect(notes.some((note) => note.includes("names itself"))).to.be.true;
    const kept = { name: "the auditor's", note: log.checkpointAt(800) };
    const told = verifyLog({ folder, keys: null, elsewhere: [kept] }).damage;
    expect(told.map(({ kind }) => kind)).to.deep.equal(["checkpoint_of_another_key"]);
  });

  it("is not alarmed by what a running or a crashed service leaves", () => {
    const folder = join(scratch, "running");
    writeLog(folder, { ...OPTIONS, signed: 900 });
    const last = join(folder, segmentOf(RECORDS));
    writeFileSync(last, '{"answer":{"action_digest":"sha', { flag: "a" });
    writeFileSync(join(folder, "0000000000001101.jsonl"), "");
    rmSync(join(folder, "tile", "0", "003"));
    truncateSync(join(folder, "tile", "0", "002"), 0);
    const beside = join(folder, segmentOf(350).replace("jsonl", "beside"));
    writeFileSync(beside, '{"input":{"torn\n{"input":{}}\n{"inp', { flag: "a" });
    const { damage, notes } = verify(folder);
    expect(named(damage)).to.equal("");
    expect(notes.join("; "))
      .to.match(/records 901 to 1100: not under the checkpoint yet/)
      .and.match(/2 tiles/);
  });

  it("is not alarmed by zeros that a power cut has left at the end", () => {
    const folder = copy();
    writeFileSync(join(folder, segmentOf(RECORDS)), Buffer.alloc(300_000), { flag: "a" });
    const { damage, notes } = verify(folder);
    expect(named(damage)).to.equal("");
    expect(notes.join("; ")).to.match(/ends in 300000 bytes/);
  });

  const ALTERED_BEHIND = { kind: "altered", from: 710, to: 710 };
  const placesIn = (folder: string): unknown[] => {
    edit(folder, 710, (lines, at) => (lines[at] = (lines[at] ?? "").replace("bob", "eve")));
    return verify(folder).damage.map(({ kind, from, to }) => ({ kind, from, to }));
  };

  for (const bytes of [66_000, 200_000, 1_200_000, 3_000_000]) {
    it(`says where a line of more than ${bytes} bytes is, and judges what is behind it`, () => {
      const folder = copy();
      edit(folder, 410, (lines, at) => (lines[at] = `${" ".repeat(bytes)}${lines[at] ?? ""}`));
      expect(placesIn(folder)).to.deep.equal([{ kind: "unreadable", from: 410, to: 410 }, ALTERED_BEHIND]);
    });
  }

  it("says which records were made one line by blanks in the place of newlines, and judges all others", () => {
    for (const last of [[], [""]]) {
      const folder = copy();
      const file = join(folder, segmentOf(301));
      writeFileSync(file, [readFileSync(file, "utf8").trimEnd().replaceAll("\n", " "), ...last].join("\n"));
      expect(placesIn(folder)).to.deep.equal([
        { kind: "dropped", from: 301, to: 599 },
        { kind: "unreadable", from: 600, to: 600 },
        ALTERED_BEHIND,
      ]);
    }
    const folder = copy();
    edit(folder, 400, (lines) => lines.splice(100, 60, lines.slice(100, 160).join(" ")));
    expect(placesIn(folder)).to.deep.equal([
      { kind: "dropped", from: 401, to: 459 },
      { kind: "unreadable", from: 460, to: 460 },
      ALTERED_BEHIND,
    ]);
  });

  it("says that the log ends in a line that is too long, and judges what is before it", () => {
    const folder = copy();
    writeFileSync(join(folder, segmentOf(RECORDS)), "x".repeat(300_000), { flag: "a" });
    expect(placesIn(folder)).to.deep.equal([ALTERED_BEHIND, { kind: "unreadable", from: RECORDS + 1, to: RECORDS + 1 }]);
  });
});
