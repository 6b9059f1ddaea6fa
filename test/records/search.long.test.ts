import { appendFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Problem, type FoundRecord, type RecordFilter, type RecordPage } from "../../src/contract/index.js";
import { checkRecords } from "../../src/records/check.js";
import { RecordSearch, type RecordsThread, type SearchOptions } from "../../src/records/search.js";
import type { FromRecords, ServingOptions, ToRecords } from "../../src/records/serve.js";
import { systemTimers } from "../../src/system/index.js";
import { childProcess } from "../../src/system/child.js";
import { BACKGROUND_NICE, NICE_MAX } from "../../src/system/thread.js";
import { OVERDUE_MS, bruteFilter } from "./brute.js";
import { RandomLog } from "./random_log.js";

/** Of the log that each test begins with: several segments, most of which are files already. A million: `make bench-long`, `query`. */
const RECORDS = 1_500;

describe("the search for records", function () {
  this.timeout(900_000);
  let folder = "";
  let log: RandomLog;
  let search: RecordSearch;
  let pids: number[] = [];
  let threads: RecordsThread[] = [];
  let failures: string[] = [];
  let lacking: [records: number, first: number][] = [];

  function start(options: Partial<SearchOptions> = {}): RecordSearch {
    const spawn = (data: ServingOptions): RecordsThread => {
      const thread = childProcess<ToRecords, FromRecords>(new URL("../../src/records/process.js", import.meta.url), data, 64);
      threads.push(thread);
      pids.push(thread.pid ?? 0);
      return thread;
    };
    const events = {
      opened: () => undefined,
      lacking: (...of: [records: number, first: number]) => lacking.push(of),
      failed: (detail: string) => failures.push(detail),
    };
    search = new RecordSearch(
      { directory: folder, wait_ms: 120_000, overdue_ms: OVERDUE_MS, questions_max: 100, ...options },
      systemTimers,
      events,
      spawn,
    );
    search.durableTo(log.last);
    search.start();
    return search;
  }

  const page = async (filter: RecordFilter, limit = 1000): Promise<RecordPage> =>
    JSON.parse((await search.ask({ kind: "page", filter, order: "oldest", after: null, limit })) ?? "") as RecordPage;
  const all = async (filter: RecordFilter): Promise<number[]> => (await page(filter)).items.map(({ seq }) => seq);
  const codeOf = (asked: Promise<unknown>): Promise<string> =>
    asked.then(
      () => "answered",
      (cause: unknown) => (cause instanceof Problem ? cause.code : String(cause)),
    );
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const kill = (): void => {
    threads.at(-1)?.terminate();
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-search-"));
    log = new RandomLog(folder).grow(RECORDS);
    threads = [];
    pids = [];
    failures = [];
    lacking = [];
  });
  afterEach(async () => {
    await search.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("finds each record that was on disk when it was asked", async () => {
    start();
    for (let i = 0; i < 50; i++) {
      const { id, seq } = log.decide();
      search.durableTo(log.last);
      const { seq: found } = JSON.parse((await search.ask({ kind: "one", id })) ?? "") as FoundRecord;
      expect(found).to.equal(seq);
    }
    expect(await all({ agent: "support-7" })).to.deep.equal(bruteFilter(log.written, { agent: "support-7" }, 0));
    expect(search.indexedTo).to.equal(log.last);
  });

  it("tells a follower each record that matches, in order and once, whatever becomes of the worker", async () => {
    start().hurry();
    const filter = { decision: ["deny"] } as const;
    const FROM = RECORDS / 2;
    const seqs: number[] = [];
    const follower = search.follow(filter, FROM, ({ seqs: told }) => {
      seqs.push(...told);
      if (told.length > 0)
        setImmediate(() => {
          follower.goOn();
        });
    });
    for (let i = 0; i < 6; i++) {
      log.grow(300);
      search.durableTo(log.last);
      if (i % 2 === 1) {
        kill();
        const before = threads.length;
        await until(() => threads.length > before);
      }
    }
    const expected = bruteFilter(log.written, filter, 0).filter((seq) => seq > FROM);
    await until(() => seqs.length >= expected.length);
    expect(seqs).to.deep.equal(expected);
    expect(threads).to.have.lengthOf(4);
    follower.stop();
    log.decide({}, { decision: "deny" });
    search.durableTo(log.last);
    await page({});
    expect(seqs).to.have.lengthOf(expected.length);
  });

  it("refuses what it was asked when its worker ends, and answers again soon", async () => {
    start();
    await page({});
    kill();
    const asked = codeOf(page({ caller: "file" }));
    expect(await asked).to.equal("index_unavailable");
    await until(() => threads.length === 2);
    expect(await all({ caller: "file" })).to.deep.equal(bruteFilter(log.written, { caller: "file" }, 0));
    expect(failures).to.have.lengthOf(1);
  });

  it("makes a file again that is damaged while it runs", async () => {
    log.grow(RECORDS);
    start();
    const expected = await all({ agent: "billing-1", verb: "read" });
    expect(expected).to.deep.equal(bruteFilter(log.written, { agent: "billing-1", verb: "read" }, 0));
    const file = join(folder, "records", "parquet", "0000000000000001.parquet");
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.alloc(bytes.length, 0xa5));
    // What was looked at once is taken for what it is: a new process has to look again.
    kill();
    await until(() => threads.length === 2);
    await until(async () => (await codeOf(all({ agent: "billing-1", verb: "read" }))) === "answered");
    expect(await all({ agent: "billing-1", verb: "read" })).to.deep.equal(expected);
    expect(readFileSync(file).equals(bytes)).to.equal(true);
  });

  it("finds everything, and has no file but whole ones, however often its process is killed while it makes them", async () => {
    log = new RandomLog(folder, { segment_bytes: 150_000, first: log.last + 1 }).grow(3_000);
    const parquet = join(folder, "records", "parquet");
    start();
    for (let i = 1; i <= 8; i++) {
      const before = threads.length;
      await until(() => existsSync(parquet) && readdirSync(parquet).length > i);
      kill();
      await until(() => threads.length > before);
    }
    const filter = { agent: "support-7", verb: "read" };
    await until(async () => (await codeOf(all(filter))) === "answered");
    expect((await all(filter)).filter((seq) => seq > RECORDS)).to.deep.equal(bruteFilter(log.written, filter, 0));
    await search.close();
    expect(readdirSync(join(folder, "records"))).to.deep.equal(["parquet"]);
    expect(await checkRecords(folder)).to.deep.equal({ compared: "compared", damage: [], notes: [] });
  });

  it("finds all other records where one is missing from the log, and says once that it is", async () => {
    const [name = ""] = readdirSync(folder).filter((file) => file.endsWith(".jsonl"));
    const lines = readFileSync(join(folder, name), "utf8").split("\n");
    writeFileSync(join(folder, name), lines.toSpliced(50, 1).join("\n"));
    start();
    const left = log.written.filter(({ record }) => record.seq !== 51);
    expect(await all({ agent: "support-7" })).to.deep.equal(bruteFilter(left, { agent: "support-7" }, 0));
    expect(JSON.parse((await search.ask({ kind: "one", id: "60" })) ?? "")).to.deep.include({ seq: 60, record: log.written[59]?.record });
    expect(await search.ask({ kind: "one", id: "51" })).to.equal(null);
    log.grow(500);
    search.durableTo(log.last);
    await until(() => search.indexedTo === log.last);
    kill();
    await until(() => threads.length === 2);
    await page({});
    expect(failures).to.have.lengthOf(1);
    await until(() => lacking.length === 2);
    // By each worker.
    expect(lacking).to.deep.equal([
      [1, 51],
      [1, 51],
    ]);
  });

  it("waits for records that are on disk, but not for ever, and says how far it came", async () => {
    start({ wait_ms: 100 });
    await until(() => search.indexedTo === log.last);
    search.durableTo(log.last + 10);
    expect((await page({ caller: "file" })).indexed_to).to.equal(log.last);
    // What isn't found may be in what was not looked at.
    expect(await codeOf(search.ask({ kind: "one", id: String(log.last + 3) }))).to.equal("index_unavailable");
    const known = [log.decide(), log.decide(), log.decide()].map(({ id }) => id);
    search.durableTo(log.last);
    await until(() => search.indexedTo === log.last);
    search.durableTo(log.last + 10);
    const unknown = "0190a5e4-7c1a-7000-8000-000000000001";
    expect(await codeOf(search.ask({ kind: "decided", ids: [...known, unknown] }))).to.equal("index_unavailable");
    expect(JSON.parse((await search.ask({ kind: "decided", ids: known })) ?? ""))
      .to.have.lengthOf(3)
      .and.not.include(null);
  });

  it("goes on finding what comes before a line that is damage", async () => {
    const sound = log.last;
    const last =
      readdirSync(folder)
        .filter((name) => name.endsWith(".jsonl"))
        .sort()
        .at(-1) ?? "";
    appendFileSync(join(folder, last), `${"x".repeat(3_000_000)}\n`);
    start({ wait_ms: 50 });
    search.durableTo(sound + 1);
    await until(() => failures.length > 0);
    expect(failures[0]).to.contain("longer than");
    const { items, indexed_to } = await page({ caller: "file" });
    expect([indexed_to, items.length > 0]).to.deep.equal([sound, true]);
  });

  it("says once that records are missing where the log has none of those that are on disk", async () => {
    start({ wait_ms: 100 });
    await until(() => search.indexedTo === RECORDS);
    search.durableTo(RECORDS + 3);
    await until(() => lacking.length > 0);
    await until(async () => (await codeOf(page({}))) === "answered");
    expect(lacking).to.deep.equal([[3, RECORDS + 1]]);
  });

  it("takes no more questions at once than it may, and none once it is closed", async () => {
    start({ questions_max: 3 });
    const asked = await Promise.all(Array.from({ length: 10 }, () => codeOf(page({}, 1))));
    expect(asked.filter((how) => how === "answered")).to.have.lengthOf(3);
    expect(asked.filter((how) => how === "index_unavailable")).to.have.lengthOf(7);
    await search.close();
    expect(await codeOf(page({}))).to.equal("index_unavailable");
  });

  it("runs below what decides: its process is niced, and this one isn't", async () => {
    const own = getPriority();
    start();
    await page({}, 1);
    expect(pids.map((pid) => getPriority(pid))).to.deep.equal([Math.min(NICE_MAX, getPriority() + BACKGROUND_NICE)]);
    expect(getPriority()).to.equal(own);
  });
});
