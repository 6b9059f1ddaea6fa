import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { RecordFilter, RecordPage } from "../../src/contract/index.js";
import { segmentsIn } from "../../src/audit/log/files.js";
import { checkRecords } from "../../src/records/check.js";
import type { RecordQuestion } from "../../src/records/ask.js";
import { fromCursor } from "../../src/records/cursor.js";
import { SearchEngine } from "../../src/records/engine.js";
import type { RecordTable } from "../../src/records/table.js";
import { Folders, all, page, text } from "./asked.js";
import { bruteFilter } from "./brute.js";
import type { RandomLog } from "./random_log.js";
import { SmallDisk } from "../service/small_disk.js";
import { skip } from "../skip.js";

const FILTERS: RecordFilter[] = [
  { agent: "support-7", verb: "read" },
  { outcome: ["done"], decision: ["allow"] },
  { kind: ["facts"], key: "agent/billing-1" },
  { about: "policy" },
  { kind: ["lost", "bundle"] },
];

describe("the files of sealed segments", function () {
  const folders = new Folders();
  afterEach(() => {
    folders.clear();
  });

  const made = (folder: string, end = "parquet"): string => join(folder, "records", "parquet", `0000000000000001.${end}`);
  /** A log of three segments and their files. */
  async function sealed(seed = 7): Promise<{ folder: string; log: RandomLog }> {
    const { folder, log } = folders.with(1_200, { segment_bytes: 200_000, seed });
    folders.close(await folders.caughtUp(folder));
    return { folder, log };
  }
  const expected = (log: RandomLog, from = 1): number[][] =>
    FILTERS.map((filter) => bruteFilter(log.written, filter, log.now).filter((seq) => seq >= from));
  async function found(folder: string, log: RandomLog): Promise<number[][]> {
    const table = await folders.caughtUp(folder);
    const seqs: number[][] = [];
    for (const filter of FILTERS) seqs.push(await all(table, filter, { now_ms: log.now }));
    folders.close(table);
    return seqs;
  }

  it("are made once, and taken as they are by whoever opens them again", async () => {
    const { folder, log } = await sealed();
    const files = readdirSync(join(folder, "records", "parquet")).sort();
    expect(files.filter((name) => name.endsWith(".parquet"))).to.have.lengthOf.above(1);
    expect(files).to.have.lengthOf(2 * files.filter((name) => name.endsWith(".parquet")).length);
    const times = files.map((name) => statSync(join(folder, "records", "parquet", name)).mtimeMs);
    expect(await found(folder, log)).to.deep.equal(expected(log));
    expect(files.map((name) => statSync(join(folder, "records", "parquet", name)).mtimeMs)).to.deep.equal(times);
    expect(readdirSync(join(folder, "records"))).to.deep.equal(["parquet"]);
    expect(await checkRecords(folder)).to.deep.equal({ compared: "compared", damage: [], notes: [] });
  });

  it("say where their segment ends, though all of it was taken in before the next one began", async () => {
    const { folder, log } = folders.with(1, { segment_bytes: 20_000 });
    const table = await folders.open(folder);
    for (let i = 0; i < 120; i++) {
      while (await table.advance(log.last, Infinity));
      log.grow(1);
    }
    folders.close(table);
    const notes = readdirSync(join(folder, "records", "parquet")).filter((name) => name.endsWith(".json"));
    expect(notes).to.have.lengthOf.above(2);
    const ends = notes
      .sort()
      .map((name) => JSON.parse(readFileSync(join(folder, "records", "parquet", name), "utf8")) as { first: number; end: number });
    for (const [i, { first }] of ends.entries()) if (i > 0) expect(ends[i - 1]?.end).to.equal(first);
    expect(await checkRecords(folder)).to.deep.equal({ compared: "compared", damage: [], notes: [] });
  });

  /** As somebody would who can write there: with the note that goes with it. */
  async function forge(folder: string, sql: string): Promise<void> {
    const engine = await SearchEngine.open({ memory_mb_max: 200, query_ms_max: 10_000 });
    await engine.rows(`COPY (SELECT * REPLACE (${sql}) FROM read_parquet('${made(folder)}')) TO '${made(folder)}.forged' (FORMAT parquet)`);
    engine.close();
    copyFileSync(`${made(folder)}.forged`, made(folder));
    rmSync(`${made(folder)}.forged`);
  }
  const note = (folder: string, change: object): void => {
    const before = JSON.parse(readFileSync(made(folder, "json"), "utf8")) as object;
    writeFileSync(made(folder, "json"), JSON.stringify({ ...before, ...change }));
  };

  const damages: [how: string, act: (folder: string) => void | Promise<void>][] = [
    [
      "are deleted",
      (folder) => {
        rmSync(join(folder, "records"), { recursive: true });
      },
    ],
    [
      "have lost one",
      (folder) => {
        rmSync(made(folder));
      },
    ],
    [
      "have lost a note",
      (folder) => {
        rmSync(made(folder, "json"));
      },
    ],
    [
      "have one that is torn",
      (folder) => {
        truncateSync(made(folder), 1_000);
      },
    ],
    [
      "have one that is empty",
      (folder) => {
        writeFileSync(made(folder), "");
      },
    ],
    [
      "have one of which a byte was altered",
      (folder) => {
        const bytes = readFileSync(made(folder));
        bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
        writeFileSync(made(folder), bytes);
      },
    ],
    ["have one that was edited", (folder) => forge(folder, "'billing-1' AS agent")],
    [
      "have a note that is no JSON",
      (folder) => {
        writeFileSync(made(folder, "json"), "{");
      },
    ],
    [
      "have a note of another version",
      (folder) => {
        note(folder, { schema: 0 });
      },
    ],
    [
      "have a note of a segment of another length",
      (folder) => {
        note(folder, { segment_bytes: 1 });
      },
    ],
    [
      "have another log's",
      async (folder) => {
        const other = await sealed(8);
        for (const end of ["parquet", "json"]) copyFileSync(made(other.folder, end), made(folder, end));
      },
    ],
    [
      "have what a crash has left of making them",
      (folder) => {
        writeFileSync(`${made(folder)}.partial`, "PAR1");
        writeFileSync(made(folder, "json.partial"), "{");
        rmSync(made(folder, "json"));
      },
    ],
  ];
  for (const [how, act] of damages) {
    it(`are made again where they ${how}`, async () => {
      const { folder, log } = await sealed();
      const before = readFileSync(made(folder));
      await act(folder);
      expect(await found(folder, log)).to.deep.equal(expected(log));
      expect(readFileSync(made(folder)).equals(before)).to.equal(true);
      expect((await checkRecords(folder)).damage).to.deep.equal([]);
    });
  }

  it("never show a record as what it isn't, though somebody edits one and its note together, and verify names it", async () => {
    const { folder, log } = await sealed();
    await forge(folder, "'billing-1' AS agent");
    const { hash } = await import("node:crypto");
    const bytes = readFileSync(made(folder));
    note(folder, { parquet_bytes: bytes.length, parquet_digest: hash("sha256", bytes) });
    expect((await checkRecords(folder)).damage.map(({ kind, from }) => [kind, from])).to.deep.equal([["index_disagrees", 1]]);
    const table = await folders.caughtUp(folder);
    expect(await all(table, { agent: "billing-1" })).to.deep.equal(bruteFilter(log.written, { agent: "billing-1" }, 0));
    expect((await checkRecords(folder)).damage).to.deep.equal([]);
  });

  it("are named by verify where they are of segments that there aren't, or aren't what was made", async () => {
    const { folder } = await sealed();
    writeFileSync(join(folder, "records", "parquet", "0000000000000500.parquet"), "PAR1");
    truncateSync(made(folder), 1_000);
    const { damage } = await checkRecords(folder);
    expect(damage.map(({ from }) => from)).to.deep.equal([500, 1]);
    expect(damage[1]?.message).to.contain("isn't the file that was made");
    await folders.open(folder);
    expect(existsSync(join(folder, "records", "parquet", "0000000000000500.parquet"))).to.equal(false);
  });

  it("may vanish while they are asked", async () => {
    const { folder, log } = await sealed();
    const table = await folders.caughtUp(folder);
    for (const filter of FILTERS) {
      rmSync(join(folder, "records", "parquet"), { recursive: true });
      expect(await all(table, filter, { now_ms: log.now })).to.deep.equal(bruteFilter(log.written, filter, log.now));
    }
  });

  it("go with their segments, and pages that were begun go on behind them", async () => {
    const { folder, log } = folders.with(6_000, { segment_bytes: 500_000 });
    const table = await folders.caughtUp(folder);
    const seqs: number[] = [];
    let [after, first]: [number | null, number] = [null, 1];
    do {
      const { items, next }: RecordPage = await page(table, { agent: "support-7" }, after, { limit: 100 });
      seqs.push(...items.map(({ seq }) => seq));
      after = next === null ? null : fromCursor(next);
      const segments = readdirSync(folder)
        .filter((name) => name.endsWith(".jsonl"))
        .sort();
      const [oldest = "", second = ""] = segments;
      if (segments.length < 3) continue;
      // While a question is under way.
      const asked = text(table, { kind: "summary", filter: {}, by: ["agent"], limit: 10 });
      for (const name of [oldest, oldest.replace("jsonl", "beside")]) rmSync(join(folder, name), { force: true });
      for (const end of ["parquet", "json"]) rmSync(join(folder, "records", "parquet", oldest.replace("jsonl", end)), { force: true });
      await asked;
      first = parseInt(second, 10);
    } while (after !== null);
    const left = log.written.filter(({ record }) => record.seq >= first);
    expect(first).to.be.above(1);
    expect(seqs).to.deep.equal([...new Set(seqs)].sort((a, b) => a - b));
    expect(seqs).to.include.members(bruteFilter(left, { agent: "support-7" }, 0));
    await table.advance(Infinity, Infinity);
    expect(await all(table, { agent: "support-7" })).to.deep.equal(bruteFilter(left, { agent: "support-7" }, 0));
    const kept = readdirSync(join(folder, "records", "parquet")).map((name) => parseInt(name, 10));
    expect(Math.min(...kept)).to.be.at.least(first);
  });

  for (const when of ["before it is asked", "before what was found is read"] as const) {
    it(`lose a segment to retention ${when}: each question is answered from the log as it was or as it is`, async () => {
      const { folder, log } = folders.with(6_000, { segment_bytes: 400_000, beside: false });
      const { id } = log.decide();
      const table = await folders.caughtUp(folder);
      const segments = (): string[] => segmentsIn({ list: () => readdirSync(folder) }).map(({ name }) => name);
      const rows = table.engine.rows.bind(table.engine);
      const retention = { due: false };
      const drop = async (): Promise<void> => {
        retention.due = false;
        const [oldest = ""] = segments();
        for (const end of ["jsonl", "beside"]) rmSync(join(folder, oldest.replace("jsonl", end)), { force: true });
        await table.advance(Infinity, 1);
      };
      table.engine.rows = async (...statement) => {
        const { due } = retention;
        if (due && when === "before it is asked") await drop();
        const found = await rows<never>(...statement);
        if (due && when !== "before it is asked") await drop();
        return found;
      };
      const range = { from: 0, to: Infinity, limit: 100 };
      const page = { kind: "page", after: null, limit: 100, filter: { agent: "support-7" } } as const;
      const asks: ((first: number, id: string) => RecordQuestion)[] = [
        () => ({ ...page, order: "oldest" }),
        () => ({ ...page, order: "newest", limit: 1000, filter: { outcome: ["done"] } }),
        (first) => ({ kind: "one", id: String(first) }),
        (_, first) => ({ kind: "one", id: first }),
        (_, first) => ({ kind: "decided", ids: [first, id] }),
        (first) => ({ kind: "entries", from: first, to: first + 9 }),
        () => ({ kind: "summary", filter: {}, by: ["agent", "rule"], limit: 99 }),
        () => ({ kind: "histogram", filter: {}, by: ["agent"], step: "minute" }),
        () => ({ kind: "new", ...range }),
      ];
      for (const askOf of asks) {
        const first = parseInt(segments()[0] ?? "", 10);
        const decided = log.written.find(({ record: { seq, kind } }) => seq >= first && kind === "decision")?.record["answer"];
        const ask = askOf(first, (decided as { decision_id: string }).decision_id);
        const before = await text(table, ask);
        retention.due = true;
        const told = await text(table, ask);
        const after = await text(table, ask);
        expect(after, ask.kind).to.not.equal(before);
        expect(told, ask.kind).to.be.oneOf(when === "before it is asked" ? [after] : [before, after]);
      }
      const left = log.written.filter(({ record }) => record.seq >= parseInt(segments()[0] ?? "", 10));
      expect(await all(table, {})).to.deep.equal(bruteFilter(left, {}, 0));
    });
  }

  it("are asked in memory while the disk takes none, and made once it does", async function () {
    const { folder, log } = folders.with(400, { segment_bytes: 400_000 });
    const disk = SmallDisk.at(join(folder, "records"));
    if (disk === null) skip(this, "nothing can be mounted here");
    const refused = (table: RecordTable): Promise<string> =>
      table.advance(Infinity, Infinity).then(
        () => expect.fail("the disk takes no file"),
        (cause: unknown) => (cause as Error).message,
      );
    const foundBefore = async (table: RecordTable): Promise<void> => {
      const before = log.written.filter(({ record }) => record.seq <= table.indexedTo);
      expect(await all(table, { agent: "support-7" })).to.deep.equal(bruteFilter(before, { agent: "support-7" }, 0));
    };
    try {
      const table = await folders.caughtUp(folder);
      expect(table.indexedTo).to.equal(400);
      log.grow(1_500);
      // Lines can be read through the disk, a file has no room: its folder's name is taken.
      writeFileSync(join(folder, "records", "parquet"), "");
      expect(await refused(table)).to.contain("parquet");
      expect(table.indexedTo).to.be.above(400);
      await foundBefore(table);
      rmSync(join(folder, "records", "parquet"));
      disk.fill();
      expect(await refused(table)).to.match(/space|ENOSPC/);
      await foundBefore(table);
      expect(readdirSync(join(folder, "records", "parquet"))).to.deep.equal([]);
      disk.free();
      while (await table.advance(Infinity, Infinity));
      expect(table.indexedTo).to.equal(log.last);
      folders.close(table);
      expect(await found(folder, log)).to.deep.equal(expected(log));
    } finally {
      disk.unmount();
    }
  });
});
