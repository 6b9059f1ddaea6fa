import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Problem, type RecordFilter, type RecordPage } from "../../src/contract/index.js";
import { RecordSearch, type RecordsThread, type SearchOptions } from "../../src/records/search.js";
import type { FromRecords, ServingOptions, ToRecords } from "../../src/records/serve.js";
import { systemTimers } from "../../src/system/index.js";
import { childProcess } from "../../src/system/child.js";
import { BACKGROUND_NICE, NICE_MAX } from "../../src/system/thread.js";
import { OVERDUE_MS } from "./brute.js";
import { RandomLog } from "./random_log.js";

describe("the search for records", function () {
  this.timeout(60_000);
  let folder = "";
  let log: RandomLog;
  let search: RecordSearch;
  let threads: RecordsThread[] = [];
  let pids: number[] = [];
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
      { directory: folder, wait_ms: 20_000, overdue_ms: OVERDUE_MS, questions_max: 100, ...options },
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
  const codeOf = (asked: Promise<unknown>): Promise<string> =>
    asked.then(
      () => "answered",
      (cause: unknown) => (cause instanceof Problem ? cause.code : String(cause)),
    );
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-search-"));
    log = new RandomLog(folder).grow(4_500);
    threads = [];
    pids = [];
    failures = [];
    lacking = [];
  });
  afterEach(async () => {
    await search.close();
    rmSync(folder, { recursive: true, force: true });
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
    await until(() => search.indexedTo === 4_500);
    search.durableTo(4_503);
    await until(() => lacking.length > 0);
    await until(async () => (await codeOf(page({}))) === "answered");
    expect(lacking).to.deep.equal([[3, 4_501]]);
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
