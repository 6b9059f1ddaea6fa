import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { verifyLog, type VerifyProgress } from "../../../src/audit/tree/verify.js";
import { signCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import type { Hash } from "../../../src/audit/tree/hash.js";
import { printReceipt } from "../../../src/audit/tree/receipt.js";
import { RECORD_VERSION, canonical } from "../../../src/contract/index.js";
import { rebuildRecords } from "../../../src/records/table_opening.js";
import { remit } from "../../cli/remit.js";
import { temporaryDirectory } from "../temporary.js";
import { LOG_KEY, signerOf, writeLog } from "./written.js";

const OPTIONS = { records: 600, segment_records: 250 };
const KEY = ["--key", LOG_KEY.verifier.vkey];

describe("remit audit verify", () => {
  const scratch = temporaryDirectory();
  const at = (...names: string[]): string => join(scratch, ...names);
  const log = writeLog(at("log"), OPTIONS);
  const rewritten = writeLog(at("rewritten"), { ...OPTIONS, text: (seq, usual) => (seq === 100 ? usual.replace("bob", "eve") : usual) });
  const beside = writeLog(at("beside"), { ...OPTIONS, beside_every: 30 });
  writeFileSync(at("kept.checkpoint"), log.checkpointAt(400));
  writeFileSync(at("receipt.json"), printReceipt(log.receiptOf(7)));

  it("says that a log is what was signed, by which key, and what it can't say", async () => {
    const { exit, out, err } = await remit("audit", "verify", log.folder, ...KEY);
    expect(exit, err).to.equal("ok");
    expect(out)
      .to.match(/^verified {2}600 records\n/)
      .and.include(LOG_KEY.verifier.vkey);
    expect(err).to.match(/note: no checkpoint that was kept elsewhere/);
  });

  for (const [what, name] of [
    ["a segment", "0000000000000251.jsonl"],
    ["what stands beside one", "0000000000000001.beside"],
    ["the checkpoint", "checkpoint"],
    ["a tile", "tile/0/000"],
  ] as const) {
    for (const [instead, make] of [
      ["a FIFO", (path: string) => execFileSync("mkfifo", [path])],
      [
        "a device without end",
        (path: string) => {
          symlinkSync("/dev/zero", path);
        },
      ],
    ] as const)
      it(`names ${what} that is ${instead}, and reads nothing of it`, async () => {
        const folder = join(mkdtempSync(at("copy-")), "log");
        beside.copyTo(folder);
        rmSync(join(folder, name));
        make(join(folder, name));
        const { exit, err } = await remit("audit", "verify", folder, ...KEY);
        expect(exit).to.equal("failed");
        expect(err).to.contain(`\`${join(folder, name)}\` is not a regular file`);
      });
  }

  it("takes a key that is given twice as one", async () => {
    expect((await remit("audit", "verify", log.folder, ...KEY, ...KEY)).exit).to.equal("ok");
  });

  it("says that the log's own word for its key is a weaker one", async () => {
    const { exit, out, err } = await remit("audit", "verify", log.folder);
    expect(exit, err).to.equal("ok");
    expect(out).to.include("(as the log itself says)");
    expect(err).to.match(/whoever rewrites it can name another/);
  });

  it("holds a log against a checkpoint and a receipt that were kept elsewhere", async () => {
    const kept = ["--checkpoint", at("kept.checkpoint"), "--checkpoint", at("receipt.json")];
    const { exit, out, err } = await remit("audit", "verify", log.folder, ...KEY, ...kept);
    expect(exit, err).to.equal("ok");
    expect(out).to.match(/matches {2}.*kept\.checkpoint, 400 records\n.*receipt\.json, 600 records/);
    expect(err).to.equal("");
  });

  for (const kept of ["kept.checkpoint", "receipt.json"]) {
    it(`finds a log that was rewritten and signed again, by ${kept}`, async () => {
      expect((await remit("audit", "verify", rewritten.folder, ...KEY)).exit).to.equal("ok");
      const { exit, out } = await remit("audit", "verify", rewritten.folder, ...KEY, "--checkpoint", at(kept));
      expect(exit).to.equal("invalid");
      expect(out)
        .to.match(/^forked {2}/)
        .and.match(/damaged, first at record 1\n/);
    });
  }

  it("says as JSON which record was altered", async () => {
    log.copyTo(at("altered"));
    const file = at("altered", "0000000000000001.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"id":"I-77"', '"id":"I-78"'));
    const { exit, out } = await remit("audit", "verify", at("altered"), ...KEY, "--json");
    expect(exit).to.equal("invalid");
    const { ok, damage } = JSON.parse(out) as { ok: boolean; damage: { kind: string; from: number; to: number }[] };
    expect(ok).to.be.false;
    expect(damage.map(({ kind, from, to }) => ({ kind, from, to }))).to.deep.equal([{ kind: "altered", from: 77, to: 77 }]);
    const text = await remit("audit", "verify", at("altered"), ...KEY);
    expect(text.out)
      .to.match(/^altered {2}record 77: /)
      .and.match(/damaged, first at record 77\n/);
  });

  it("says that the records are good where only the index isn't, and else begins with them and has the index kept", async () => {
    const folder = at("indexed");
    log.copyTo(folder);
    const index = join(folder, "records", "parquet");
    mkdirSync(index, { recursive: true });
    writeFileSync(join(index, "0000000000000001.parquet"), "PAR1");
    const alone = await remit("audit", "verify", folder, ...KEY);
    expect(alone.exit).to.equal("invalid");
    expect(alone.out).to.match(/^index_disagrees .*\nthe records are as they were; what was made from them isn't\n$/);
    expect(alone.err).to.match(/note: `remit audit rebuild-index` makes the index anew/);
    const file = join(folder, "0000000000000001.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"id":"I-77"', '"id":"I-78"'));
    const both = await remit("audit", "verify", folder, ...KEY);
    expect(both.out).to.match(/^index_disagrees .*\naltered .*\ndamaged, first at record 77\n$/);
    expect(both.err)
      .to.match(/note: leave the index as it is until the records are what they were/)
      .and.not.match(/rebuild-index/);
    rmSync(index, { recursive: true });
    writeFileSync(index, "");
    expect((await remit("audit", "verify", folder, ...KEY)).out).to.match(
      /parquet` is no folder\naltered .*\ndamaged, first at record 77\n$/,
    );
  });

  it("says as JSON whether the index was compared, without which one that was edited goes unseen", async () => {
    const folder = at("looked_at");
    log.copyTo(folder);
    const index = async (...args: string[]): Promise<unknown> =>
      (JSON.parse((await remit("audit", "verify", folder, ...KEY, "--json", ...args)).out) as { index: unknown }).index;
    expect(await index(), "none").to.equal(null);
    await rebuildRecords(folder, () => undefined);
    expect(await index()).to.equal("compared");
    expect(await index("--no-index"), "left out").to.equal(null);
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = at("nowhere");
    try {
      const { exit, out } = await remit("audit", "verify", folder, ...KEY, "--json");
      expect(exit).to.equal("ok");
      expect(JSON.parse(out)).to.deep.include({ ok: true, index: "not_compared" });
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  });

  it("names the file that is a folder", async () => {
    const whole = writeLog(at("whole"), { ...OPTIONS, beside_every: 50 });
    for (const name of ["0000000000000251.jsonl", "0000000000000251.beside", "checkpoint", join("tile", "0", "001")]) {
      rmSync(at("folded"), { recursive: true, force: true });
      whole.copyTo(at("folded"));
      rmSync(at("folded", name));
      mkdirSync(at("folded", name));
      const { exit, err } = await remit("audit", "verify", at("folded"), ...KEY);
      expect(exit, name).to.equal("failed");
      expect(err).to.include(`\`${at("folded", name)}\` is a folder`);
    }
  });

  it("says that it is the checkpoint, and not the records, that another key has signed", async () => {
    const { exit, out } = await remit("audit", "verify", log.folder, "--key", signerOf("another").verifier.vkey);
    expect(exit).to.equal("invalid");
    expect(out)
      .to.match(/^checkpoint_of_another_key {2}/)
      .and.match(/what vouches for them isn't/);
  });

  it("says that a checkpoint that was named is of another log", async () => {
    const origin = "other.example/pdp";
    const other = signCheckpoint({ origin, size: 400, root: log.leaves[0] as Hash }, [signerOf("another log's", origin)]);
    writeFileSync(at("other.checkpoint"), other);
    const { exit, out } = await remit("audit", "verify", log.folder, ...KEY, "--checkpoint", at("other.checkpoint"));
    expect(exit).to.equal("invalid");
    expect(out).to.match(/^checkpoint_of_another_log {2}.*`other\.example\/pdp`.*\nthe log leads to its own checkpoint; /);
  });

  it("refuses what is no folder of a log, no key, and no checkpoint", async () => {
    mkdirSync(at("empty"));
    for (const args of [
      [at("nowhere")],
      [at("kept.checkpoint")],
      [at("empty")],
      [log.folder, "--key", "nonsense"],
      [log.folder, "--key", LOG_KEY.verifier.vkey.slice(0, -1)],
      [log.folder, "--checkpoint", join(log.folder, "0000000000000001.jsonl")],
    ]) {
      const { exit, err } = await remit("audit", "verify", ...args);
      expect(exit, args.join(" ")).to.equal("invalid");
      expect(err).to.match(/hint: /);
    }
    expect((await remit("audit", "verify", log.folder, "--checkpoint", at("nowhere"))).exit).to.equal("failed");
    expect((await remit("audit", "verify")).exit).to.equal("usage");
  });

  it("finds what was signed and isn't as a record has to be, where it is asked to look into each", async () => {
    expect((await remit("audit", "verify", log.folder, ...KEY, "--whole")).exit).to.equal("ok");
    const faulty: Record<number, (usual: string) => string> = {
      7: (usual) => usual.replace('"caller":"pep-1"', '"caller":7'),
      9: (usual) => usual.replace('"proceed":', '"proceed": '),
      11: (usual) => usual.replace('"kind":"decision"', '"kind":"verdict"'),
      13: (usual) => usual.replace('{"answer":{', '{"answer":{{'),
    };
    const { folder } = writeLog(at("faulty"), { ...OPTIONS, text: (seq, usual) => faulty[seq]?.(usual) ?? usual });
    expect((await remit("audit", "verify", folder, ...KEY)).exit).to.equal("ok");
    const { exit, out } = await remit("audit", "verify", folder, ...KEY, "--whole");
    expect(exit).to.equal("invalid");
    expect(out).to.match(
      /record 7: not as its schema has it: `\/caller` must be string\n.*record 9: not in its canonical form\n.*record 11: not as its schema.*\n.*record 13: not JSON\n/,
    );
  });

  it("tells how far it is", () => {
    const told: VerifyProgress[] = [];
    verifyLog({ folder: log.folder, keys: [LOG_KEY.verifier], elsewhere: [], progress: (progress) => told.push(progress) });
    expect(told.at(-1)).to.deep.include({ records: 600 });
    expect(told.at(-1)?.bytes).to.equal(told.at(-1)?.bytes_total);
  });

  it("takes what another check finds wrong with what was derived from the records", () => {
    const wrong = {
      kind: "index_disagrees",
      from: 5,
      to: 5,
      message: "record 5 is indexed under another agent",
    } as const;
    const { damage, notes } = verifyLog({
      folder: log.folder,
      keys: [LOG_KEY.verifier],
      elsewhere: [],
      derived: [(folder, size) => ({ damage: folder === log.folder && size === 600 ? [wrong] : [], notes: ["so far"] })],
    });
    expect(damage).to.deep.equal([wrong]);
    expect(notes).to.include("so far");
  });

  it("tells the first thousand of what is wrong, and that there is more", () => {
    const { folder } = writeLog(at("older"), { records: 1100, segment_records: 500, text: (_, usual) => usual.replace('"v":2', '"v":1') });
    const { damage, notes } = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] });
    expect(damage).to.have.lengthOf(1000);
    expect(damage[0]).to.deep.include({ kind: "unreadable", from: 1 });
    expect(notes.join("; ")).to.match(/there may be more damage than the 1000 places/);
  });

  it("tells what is wrong with the records, also where more is wrong before it with what was made from them than it tells", () => {
    log.copyTo(at("both"));
    const file = at("both", "0000000000000251.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"id":"I-377"', '"id":"I-378"'));
    const wrong = Array.from({ length: 1000 }, () => ({ kind: "index_disagrees", from: 5, to: 5, message: "" }) as const);
    const { damage, notes } = verifyLog({
      folder: at("both"),
      keys: [LOG_KEY.verifier],
      elsewhere: [],
      derived: [() => ({ damage: wrong, notes: [] })],
    });
    expect(damage).to.have.lengthOf(1000);
    expect(damage.at(-1)).to.deep.include({ kind: "altered" });
    expect(damage.at(-1)?.from).to.be.above(250);
    expect(notes.join("; ")).to.include("leave the index as it is");
  });

  it("says what the log itself says was lost", () => {
    const lost = (seq: number, usual: string): string =>
      seq === 9 ? canonical({ count: 12, kind: "lost", seq, time: "2026-01-14T09:00:00.000Z", v: RECORD_VERSION }) : usual;
    const { folder } = writeLog(at("lost"), { ...OPTIONS, text: lost });
    const { damage, notes } = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] });
    expect(damage).to.deep.equal([]);
    expect(notes.join("; ")).to.include("12 records were answered for and lost");
  });

  it("takes a log whose beginning was dropped by retention, as the log says, where the tiles still lead to the checkpoint, and else names the tile that is missing", () => {
    const retention = (seq: number, usual: string): string =>
      seq === 590
        ? canonical({
            action: "retain",
            caller: "ops",
            detail: { from: 1, to: 250, root: "", facts_revision: 0, keys: [LOG_KEY.verifier.vkey] },
            kind: "admin",
            seq,
            time: "2026-01-14T09:00:00.000Z",
            v: RECORD_VERSION,
          })
        : usual;
    const { folder } = writeLog(at("retained"), { ...OPTIONS, text: retention });
    unlinkSync(join(folder, "0000000000000001.jsonl"));
    const { damage, notes } = verifyLog({ folder, keys: null, elsewhere: [] });
    expect(damage).to.deep.equal([]);
    expect(notes.join("; ")).to.match(/records 1 to 250: dropped by retention/);
    const tile = readFileSync(join(folder, "tile", "0", "000"));
    unlinkSync(join(folder, "tile", "0", "000"));
    const lost = verifyLog({ folder, keys: null, elsewhere: [] });
    expect(lost.damage.map(({ kind, from, to }) => ({ kind, from, to }))).to.deep.equal([{ kind: "tile_missing", from: 1, to: 250 }]);
    expect(lost.damage[0]?.message).to.match(/^`tile\/0\/000` is not there, and records 1 to 250, whose hashes it had/);
    expect(lost.notes.join("; "))
      .to.match(/records 1 to 250: dropped by retention, as the log says; not all of their hashes are there/)
      .and.not.match(/made again from the records/);
    writeFileSync(join(folder, "tile", "0", "000"), tile);
    unlinkSync(join(folder, "0000000000000251.jsonl"));
    expect(
      verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage.map(({ kind, from, to }) => ({ kind, from, to })),
    ).to.deep.equal([{ kind: "dropped", from: 1, to: 500 }]);
    rmSync(join(folder, "tile"), { recursive: true });
    expect(verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage).to.have.lengthOf(1);
  });
});
