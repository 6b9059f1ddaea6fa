import { rmSync, writeFileSync, appendFileSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { written, dropped, open, RECORDS, NOW, plan } from "./retention_support.js";
import { createHash } from "node:crypto";
import { expect } from "chai";
import { cursorFile, writeCursor } from "../../../src/audit/export/cursor.js";
import { nodeFiles } from "../../../src/audit/log/files.js";
import { readPast } from "../../../src/audit/log/past.js";
import { RETAIN, readRetained, retainedIn, type Retained } from "../../../src/audit/privacy/retention_record.js";
import { RetentionRefused, carryOut, carryOutAlone, finishRetention, type Before } from "../../../src/audit/privacy/retention.js";
import { readLines } from "../../../src/audit/log/record_lines.js";
import { besideName, segmentName } from "../../../src/audit/log/segments.js";
import { openCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { fromBase64, leafHash, toBase64, type Hash } from "../../../src/audit/tree/hash.js";
import { includes, isConsistent } from "../../../src/audit/tree/merkle.js";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { RECORD_VERSION, canonical } from "../../../src/contract/index.js";
import { lock } from "../../../src/system/lock.js";
import { temporaryDirectory } from "../temporary.js";
import { LOG_KEY, writeLog, type Written } from "../tree/written.js";

const TIME = "2026-01-14T09:00:00.000Z";

const minute = (seq: number): number => Date.UTC(2026, 0, 14, 9) + seq * 60_000;

const facts = (seq: number, revision: number, more: object = {}): string =>
  canonical({
    caller: "host",
    change: "c",
    facts_revision: revision,
    kind: "facts",
    reason: null,
    seq,
    time: TIME,
    v: RECORD_VERSION,
    ...more,
  });

const segments = ({ folder }: Written): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();

const damageOf = ({ folder }: Written): string[] =>
  verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage.map(({ kind, from, to }) => `${kind} ${from}-${to}`);

async function refusalOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "nothing was refused",
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  );
}

function edit({ folder }: Written, name: string, change: (text: string) => string): void {
  const file = join(folder, name);
  writeFileSync(file, change(readFileSync(file, "utf8")));
}

function flip({ folder }: Written, path: string): void {
  const bytes = readFileSync(join(folder, path));
  bytes[700] = (bytes[700] ?? 0) ^ 1;
  writeFileSync(join(folder, path), bytes);
}

/** A record altered, and its tile with it. */
function alike(log: Written): void {
  edit(log, segmentName(101), (text) => text.replace("I-151", "I-152"));
  const [line] = [...readLines(log.folder, 151, 151)].map(({ bytes }) => Buffer.from(bytes));
  const tile = readFileSync(join(log.folder, "tile/0/000"));
  Buffer.from(toBase64(leafHash(line ?? Buffer.alloc(0))), "base64").copy(tile, 150 * 32);
  writeFileSync(join(log.folder, "tile/0/000"), tile);
}

/** The record that says what will be dropped, alone. */
async function appended({ folder }: Written, retained: Retained): Promise<void> {
  const service = await open(folder);
  const detail = canonical(retained);
  await service.append(`"action":"${RETAIN}","caller":"ops","detail":${detail},"kind":"admin"`, `"time":"${TIME}","v":2`);
  await service.close();
  expect(existsSync(join(folder, "retained"))).to.equal(false);
}

describe("retention", () => {
  // prettier-ignore

  describe("opening a log whose beginning is missing", () => {

    it("finds the record without being told where it is, and where it is told wrongly", async () => {
      for (const told of [null, "7\n", "999999\n", "nonsense", ""]) {
        const log = written();
        await dropped(log);
        if (told === null) rmSync(join(log.folder, "retained"));
        else writeFileSync(join(log.folder, "retained"), told);
        await (await open(log.folder)).close();
      }
    });
  });

  it("drops whole segments that are old enough, with what stands beside them, and says so first", async () => {
    const log = written();
    // What a start cut off goes with its segment, too.
    for (const first of [101, 701]) writeFileSync(join(log.folder, `${String(first).padStart(16, "0")}.cut-1`), "{");
    const found = await dropped(log, { seq: 650 });
    expect(readdirSync(log.folder).filter((name) => name.includes(".cut-"))).to.deep.equal(["0000000000000701.cut-1"]);
    expect(found.segments.map(({ from, to }) => [from, to])).to.deep.equal([
      [1, 100],
      [101, 200],
      [201, 300],
      [301, 400],
      [401, 500],
      [501, 600],
    ]);
    expect(segments(log)).to.deep.equal([601, 701, 801, 901].map(segmentName));
    expect(readdirSync(log.folder).filter((name) => name.endsWith(".beside"))).to.have.lengthOf(4);
    const [record] = [...readLines(log.folder, RECORDS + 1)].map(({ bytes }) => JSON.parse(bytes.toString()) as object);
    expect(record).to.deep.include({ kind: "admin", action: RETAIN, caller: "ops", seq: RECORDS + 1 });
    expect(retainedIn(record)).to.deep.include({ from: 1, to: 600 });
  });

  for (const [what, before, to] of [
    ["a record's number", { seq: 601 }, 600],
    ["a number within a segment", { seq: 600 }, 500],
    ["the time of a segment's last record", { ms: minute(300) }, 200],
    ["a time just after it", { ms: minute(300) + 1 }, 300],
    ["a time within a segment", { ms: minute(350) }, 300],
    ["a number beyond the log", { seq: 1e9 }, 700],
    ["a time to come", { ms: NOW * 2 }, 700],
    ["the first record", { seq: 1 }, null],
    ["a time before all of it", { ms: 0 }, null],
  ] as [string, Before, number | null][]) {
    it(`goes as far as ${what} says, and nothing is changed by asking`, async () => {
      const log = written();
      const before_ = readdirSync(log.folder);
      expect((await plan(log, before)).retained?.to ?? null).to.equal(to);
      expect(readdirSync(log.folder)).to.deep.equal(before_);
    });
  }

  it("leaves old and new records provable, and the log's size what it was", async () => {
    const log = written();
    const old = log.checkpointAt(333);
    const { retained } = await dropped(log);
    const service = await open(log.folder);
    try {
      await service.append('"kind":"x"', `"time":"${TIME}","v":2`);
      expect(service.seq).to.equal(RECORDS + 2);
      const trusted = [LOG_KEY.verifier];
      const indices = [0, 255, 256, 599, 600, 999];
      const { proofs, size, checkpoint: signed } = await service.inclusion(indices);
      const { root } = openCheckpoint(signed, trusted);
      for (const [i, index] of indices.entries()) {
        const proof = (proofs[i] ?? []).map((hash) => fromBase64(hash) as Hash);
        expect(includes({ leaf: log.leaves[index] as Hash, index, size, proof, root }), String(index)).to.equal(true);
      }
      const { proof, checkpoint } = await service.consistency(333);
      const [before, after] = [openCheckpoint(old, trusted), openCheckpoint(checkpoint, trusted)];
      expect(isConsistent({ before, after, proof: proof.map((hash) => fromBase64(hash) as Hash) })).to.equal(true);
      expect(after.size).to.equal(RECORDS + 2);
      expect(openCheckpoint(log.checkpointAt(600), trusted).root).to.equal(fromBase64(retained?.root ?? ""));
    } finally {
      await service.close();
    }
    const elsewhere = [{ name: "kept", note: old }];
    const verified = verifyLog({ folder: log.folder, keys: null, elsewhere });
    expect(verified.damage).to.deep.equal([]);
    expect(verified.elsewhere).to.deep.equal([{ name: "kept", size: 333, holds: true }]);
    expect(verified.keys.vkeys, "the keys that a dropped start had named").to.deep.equal([LOG_KEY.verifier.vkey]);
  });

  it("can be done again and again, each time on top of the last", async () => {
    const log = written();
    for (const seq of [201, 401, 701]) {
      await dropped(log, { seq });
      expect(damageOf(log)).to.deep.equal([]);
      const service = await open(log.folder);
      await service.close();
    }
    expect(segments(log)[0]).to.equal(segmentName(701));
    expect(readRetained(nodeFiles(log.folder))).to.deep.include({ from: 401, to: 700, keys: [LOG_KEY.verifier.vkey] });
  });

  it("keeps how far changes of facts are on record, where their records go", async () => {
    const log = written({ text: (seq, usual) => (seq === 17 ? facts(seq, 41) : seq === 230 ? facts(seq, 42) : usual) });
    await dropped(log);
    expect(readPast(nodeFiles(log.folder)).revision).to.equal(42);
    await dropped(log, { seq: 701 });
    expect(readPast(nodeFiles(log.folder)).revision).to.equal(42);
  });

  describe("keeps", () => {
    const grant = (more: object = {}): object => ({ grant: { id: "G-1", uses: 3, expires: "2026-06-02T00:00:00Z", ended: null, ...more } });
    const withGrant = (more: object = {}): Written => written({ text: (seq, usual) => (seq === 230 ? facts(seq, 1, grant(more)) : usual) });

    for (const before of [{ ms: NOW }, { seq: 513 }])
      it(`the segment that the log goes on in, of what is before ${JSON.stringify(before)}`, async () => {
        const log = writeLog(join(temporaryDirectory(), "log"), { records: 512, segment_records: 512 });
        expect(await plan(log, before)).to.deep.include({
          retained: null,
          held: { name: segmentName(1), why: "last" },
        });
      });

    it("what no checkpoint covers, and what no whole tile does", async () => {
      expect((await plan(written({ signed: 300 }), { seq: 1001 })).retained?.to).to.equal(200);
      expect((await plan(written({ signed: 512 }), { seq: 1001 })).retained?.to).to.equal(500);
      expect((await plan(written({ signed: 511 }), { seq: 1001 })).retained?.to).to.equal(200);
      expect((await plan(written({ signed: 511 }), { seq: 1001 })).held).to.deep.equal({ name: segmentName(201), why: "uncovered" });
    });

    it("a grant whose uses are counted, until it ends", async () => {
      const log = withGrant();
      expect(await plan(log)).to.deep.include({ held: { name: segmentName(201), why: "grants" } });
      expect((await plan(log)).retained?.to).to.equal(200);
      expect((await plan(log, { seq: 601 }, Date.parse("2026-06-02T00:00:00Z"))).retained?.to).to.equal(600);
      expect((await plan(withGrant({ ended: { at: "x", reason: "y" } }))).retained?.to).to.equal(600);
      expect((await plan(withGrant({ uses: null }))).retained?.to).to.equal(600);
      expect((await plan(withGrant({ expires: "never" }))).retained?.to).to.equal(200);
    });

    it("a grant whose uses are counted, and that is too large for its record", async () => {
      const text = canonical(grant());
      const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
      const beside = { bytes: Buffer.byteLength(text), digest };
      const log = written({ text: (seq, usual) => (seq === 230 ? facts(seq, 1, { beside }) : usual) });
      expect(await refusalOf(plan(log))).to.match(/what stands beside record 230 is missing/);
      appendFileSync(join(log.folder, besideName(segmentName(201))), `${text}\n`);
      expect(await plan(log)).to.deep.include({ held: { name: segmentName(201), why: "grants" } });
      expect((await plan(log, { seq: 601 }, Date.parse("2026-06-02T00:00:00Z"))).retained?.to).to.equal(600);
    });

    it("what a sink hasn't taken", async () => {
      const log = written();
      const last = { segment: segmentName(201), offset: 0, leaf: "0".repeat(64) };
      const took = (sink: string, seq: number): void => {
        writeCursor(cursorFile(log.folder, sink), { v: 1, seq, last, writer: { origin: "o", version: "1" } });
      };
      took("siem", 250);
      took("lake", 450);
      expect(await plan(log)).to.deep.include({ held: { name: segmentName(201), why: "export", sink: "siem" } });
      took("siem", 460);
      expect(await plan(log)).to.deep.include({ held: { name: segmentName(401), why: "export", sink: "lake" } });
      // It gets all of them again.
      writeFileSync(cursorFile(log.folder, "lake"), "garbage");
      expect(await plan(log)).to.deep.include({ held: { name: segmentName(1), why: "export", sink: "lake" } });
    });

    it("young records, though the clock was once ahead of them or behind", async () => {
      const at =
        (time: string, young = 300) =>
        (seq: number, usual: string) =>
          seq === young ? usual.replace(/"time":"[^"]*","v"/, `"time":"${time}","v"`) : usual;
      expect((await plan(written({ text: at("2026-12-01T00:00:00.000Z") }), { ms: minute(900) })).retained?.to).to.equal(200);
      expect((await plan(written({ text: at("2026-12-01T00:00:00.000Z", 250) }), { ms: minute(900) })).retained?.to).to.equal(200);
      expect((await plan(written({ text: at("yesterday", 250) }), { ms: minute(900) })).retained?.to).to.equal(200);
      expect((await plan(written({ text: at("yesterday") }), { ms: minute(900) })).retained?.to).to.equal(200);
    });
  });

  // prettier-ignore
  const DAMAGES: [what: string, damage: (log: Written) => void, message: RegExp][] = [
    ["a record was altered", (log) => { edit(log, segmentName(101), (text) => text.replace("I-151", "I-152")); }, /record 151 isn't what was signed/],
    ["a record is missing", (log) => { edit(log, segmentName(101), (text) => text.slice(text.indexOf("\n") + 1)); }, /record 101 isn't what was signed/],
    ["a segment is torn", (log) => { edit(log, segmentName(101), (text) => text.slice(0, -10)); }, /no whole record/],
    ["a tile was altered", (log) => { flip(log, "tile/0/000"); }, /checkpoint|isn't what was signed/],
    ["a tile and its record were altered alike", (log) => { alike(log); }, /checkpoint|isn't what was signed/],
    ["a tile is missing", (log) => { rmSync(join(log.folder, "tile/0/000")); }, /is missing|isn't what was signed/],
    ["the checkpoint is another's", (log) => { writeFileSync(join(log.folder, "checkpoint"), writeLog(join(temporaryDirectory(), "other"), { records: 900, segment_records: 900, text: (seq, usual) => usual.replace("ada@", `bob${seq}@`) }).checkpointAt(900)); }, /don't lead to the checkpoint/],
  ];

  for (const [what, damage, message] of DAMAGES) {
    it(`drops nothing where ${what}`, async () => {
      const log = written();
      damage(log);
      const before = segments(log);
      try {
        await dropped(log);
        expect.fail("it was dropped");
      } catch (error) {
        if (!(error instanceof RetentionRefused)) throw error;
        expect(error.message).to.match(message);
        expect(error.code).to.equal("log_damaged");
      }
      expect(segments(log)).to.deep.equal(before);
    });
  }

  it("drops nothing of a log that a service writes", async () => {
    const log = written();
    const unlock = lock(log.folder, join(log.folder, "lock"));
    try {
      expect(await refusalOf(dropped(log))).to.match(/already open/);
    } finally {
      unlock();
    }
    expect(segments(log)).to.have.lengthOf(10);
  });

  describe("after a crash", () => {
    const crash = new Error("crash");
    const upTo = async (log: Written, record: (retained: Retained) => number | Promise<number>): Promise<void> => {
      await carryOut(log.folder, await plan(log), (_, detail) => Promise.resolve(record(detail as Retained))).catch((cause: unknown) => {
        if (cause !== crash) throw cause;
      });
    };

    it("before its record is on disk, has dropped nothing", async () => {
      const log = written();
      await upTo(log, () => {
        throw crash;
      });
      expect(segments(log)).to.have.lengthOf(10);
      expect(await finishRetention(log.folder)).to.equal(0);
      expect(damageOf(log)).to.deep.equal([]);
    });

    it("between its record and what it drops, leaves a log that is whole, and is finished by the next", async () => {
      const log = written();
      const found = await plan(log);
      await carryOutAlone(log.folder, { ...found, retained: null, shredded: [] }, "ops", NOW);
      // The record, and nothing else of it.
      await appended(log, found.retained as Retained);
      expect(segments(log)[0]).to.equal(segmentName(1));
      expect(damageOf(log)).to.deep.equal([]);
      await (await open(log.folder)).close();
      await dropped(log);
      expect(segments(log)[0]).to.equal(segmentName(601));
      expect(damageOf(log)).to.deep.equal([]);
    });

    it("half way through, goes on where it was, and is vouched for meanwhile", async () => {
      const log = written();
      await appended(log, (await plan(log)).retained as Retained);
      writeFileSync(join(log.folder, "retained"), `${RECORDS + 1}\n`);
      for (const first of [1, 101]) rmSync(join(log.folder, segmentName(first)));
      // What stood beside the second is still there.
      rmSync(join(log.folder, besideName(segmentName(1))));
      expect(damageOf(log)).to.deep.equal([]);
      await (await open(log.folder)).close();
      expect(await finishRetention(log.folder)).to.equal(4);
      expect(readdirSync(log.folder).filter((name) => name.endsWith(".beside"))).to.have.lengthOf(4);
      expect(segments(log)[0]).to.equal(segmentName(601));
      await (await open(log.folder)).close();
      expect(damageOf(log)).to.deep.equal([]);
    });
  });

  describe("opening a log whose beginning is missing", () => {
    it("is refused where no record says that it was dropped", async () => {
      for (const gone of [[1], [1, 101, 201]]) {
        const log = written();
        for (const first of gone) rmSync(join(log.folder, segmentName(first)));
        expect(await refusalOf(open(log.folder))).to.match(/no record that says so/);
        expect(damageOf(log)).to.deep.equal([`dropped 1-${gone.length * 100}`]);
      }
    });

    it("is refused where more is missing than the record says", async () => {
      const log = written();
      await dropped(log);
      rmSync(join(log.folder, segmentName(601)));
      expect(await refusalOf(open(log.folder))).to.match(/begins at 0+701\.jsonl, not at record 1/);
      expect(damageOf(log)).to.deep.equal(["dropped 1-700"]);
    });

    it("isn't talked into it by what an agent wrote", async () => {
      const claim = canonical({
        action: RETAIN,
        caller: "x",
        detail: { from: 1, to: 600, root: "", facts_revision: 0, keys: [] },
        kind: "admin",
      });
      const log = written({
        text: (seq, usual) => (seq === 990 ? usual.replace('"verb":"read"', `"verb":${JSON.stringify(`,${claim},`)}`) : usual),
      });
      for (const first of [1, 101, 201, 301, 401, 501]) rmSync(join(log.folder, segmentName(first)));
      expect(await refusalOf(open(log.folder))).to.match(/no record that says so/);
    });

    it("needs the tiles of what was dropped, and makes those above them again", async () => {
      const log = written();
      await dropped(log);
      const service = await open(log.folder);
      const { checkpoint } = await service.inclusion([3]);
      await service.close();
      rmSync(join(log.folder, "tile", "0", "003"), { force: true });
      const again = await open(log.folder);
      expect((await again.inclusion([3])).checkpoint).to.equal(checkpoint);
      await again.close();
      rmSync(join(log.folder, "tile", "0", "001"));
      expect(await refusalOf(open(log.folder))).to.match(/its records were dropped/);
    });

    it("is refused where a tile of what was dropped was altered", async () => {
      const log = written();
      await dropped(log);
      flip(log, "tile/0/001");
      expect(await refusalOf(open(log.folder))).to.match(/not those that the checkpoint signed/);
    });
  });

  it("takes a record's word only where it says all that it must", () => {
    const detail = { from: 1, to: 2, root: "", facts_revision: 0, keys: [] };
    const good = { kind: "admin", v: 2, action: RETAIN, detail };
    expect(retainedIn(good)).to.deep.equal(detail);
    const wrong: object[] = [
      { from: 3 },
      { from: 0 },
      { from: "1" },
      { to: -1 },
      { to: 1.5 },
      { root: null },
      { facts_revision: null },
      { keys: "k" },
      { keys: [4] },
    ];
    const bad = [
      null,
      4,
      {},
      { ...good, kind: "facts" },
      { ...good, v: 1 },
      { ...good, action: "export" },
      { ...good, detail: null },
      ...wrong.map((member) => ({ ...good, detail: { ...detail, ...member } })),
    ];
    for (const record of bad) expect(retainedIn(record), JSON.stringify(record)).to.equal(null);
  });
});
