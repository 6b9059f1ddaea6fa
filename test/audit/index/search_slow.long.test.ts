import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Problem, type RecordFilter, type RecordPage } from "../../../src/contract/index.js";
import { RecordSearch, type IndexerThread, type SearchOptions } from "../../../src/audit/index/search.js";
import type { IndexerOptions } from "../../../src/audit/index/serve.js";
import { systemTimers } from "../../../src/system/index.js";
import { BACKGROUND_NICE, workerThread } from "../../../src/system/thread.js";
import { OVERDUE_MS } from "./brute.js";
import { RandomLog } from "./random_log.js";
import { skip } from "../../skip.js";

describe("the search for records", function () {
  this.timeout(60_000);
  let folder = "";
  let log: RandomLog;
  let search: RecordSearch;
  let threads: IndexerThread[] = [];
  let failures: string[] = [];
  let lacking: [records: number, first: number][] = [];

  function start(options: Partial<SearchOptions> = {}): RecordSearch {
    const spawn = (data: IndexerOptions): IndexerThread => {
      const thread: IndexerThread = workerThread(new URL("../../../src/audit/index/worker.js", import.meta.url), data, 256);
      threads.push(thread);
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

  it("runs below what decides: its thread is niced, and no other", async function () {
    if (process.platform !== "linux") skip(this, "threads have a nice value on Linux alone");
    const niceOf = (): Map<string, number> =>
      new Map(
        readdirSync("/proc/self/task").map((task) => {
          const stat = readFileSync(`/proc/self/task/${task}/stat`, "utf8");
          return [task, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])];
        }),
      );
    const before = niceOf();
    start();
    await page({}, 1);
    const now = niceOf();
    // Threads of the test's own process may be niced too, and those of a service that has just stopped may be ending still.
    const own = [...now].filter(([task]) => !before.has(task));
    expect(own.filter(([, nice]) => nice === Math.min(19, getPriority() + BACKGROUND_NICE))).to.have.lengthOf(1);
    expect([...before].filter(([task, nice]) => now.has(task) && now.get(task) !== nice)).to.deep.equal([]);
  });
});
