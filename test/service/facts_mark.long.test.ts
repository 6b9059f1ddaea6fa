import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { system } from "../../src/system/index.js";
import { FactsMark, readMark, removeMark, type MarkedLog } from "../../src/service/facts_mark.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { until } from "../store/support.js";
import { Child, placeIn, sleep, type Place } from "./child.js";

const FILE = "facts_on_record.json";

/** As the log of a service: whoever waits for a record is told, and then everybody, in one turn. */
class FakeLog implements MarkedLog {
  durable = 0;
  readonly #listeners = new Set<(seq: number) => void>();
  #waiting: { seq: number; revision: number; resolve: () => void }[] = [];

  onDurable(listener: (seq: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(seq: number, revision: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ seq, revision, resolve }));
  }

  sync(to: number): void {
    this.durable = to;
    for (const { resolve } of this.#waiting.filter(({ seq }) => seq <= to)) resolve();
    this.#waiting = this.#waiting.filter(({ seq }) => seq > to);
    for (const listener of this.#listeners) listener(to);
  }
}

describe("how far changes of facts are on record, as kept beside the log", () => {
  it("counts every change up to its record, and none that isn't on disk", async () => {
    const folder = temporaryDirectory();
    const log = new FakeLog();
    const kept = (): { seq: number; revision: number } => JSON.parse(readFileSync(join(folder, FILE), "utf8")) as ReturnType<typeof kept>;
    /** However long a disk takes. */
    const keptUpTo = async (seq: number): Promise<ReturnType<typeof kept>> => {
      await until(() => existsSync(join(folder, FILE)) && kept().seq >= seq);
      return kept();
    };
    const mark = new FactsMark(log, folder, 7, system.timers, (cause) => {
      throw cause;
    });
    const change = async (seq: number, revision: number): Promise<void> => {
      // As many steps as a ledger has between a record and who is told of it.
      for (const step of [log.change(seq, revision), null, null]) await step;
      mark.recorded(revision);
    };
    expect(await keptUpTo(0)).to.deep.equal({ seq: 0, revision: 7 });
    const changes = [change(19_000, 8), change(19_999, 9), change(20_500, 10), change(40_499, 11), change(40_600, 12)];
    log.sync(19_500);
    await sleep(20);
    expect(kept(), "not yet due").to.deep.equal({ seq: 0, revision: 7 });
    log.sync(20_000);
    expect(await keptUpTo(20_000)).to.deep.equal({ seq: 20_000, revision: 9 });
    log.sync(39_999);
    log.sync(40_500);
    expect(await keptUpTo(20_001)).to.deep.equal({ seq: 40_500, revision: 11 });
    log.sync(40_600);
    await Promise.all(changes);
    await mark.close();
    log.sync(90_000);
    await sleep(20);
    expect(kept(), "closed").to.deep.equal({ seq: 40_500, revision: 11 });
    expect(readMark(folder, 40_500)).to.deep.equal({ seq: 40_500, revision: 11 });
    expect(readMark(folder, 40_499), "of a log that is longer than this one").to.equal(null);
    removeMark(folder);
    expect(readMark(folder, 40_500), "removed").to.equal(null);
  });

  const BAD = [
    "",
    "garbage",
    "null",
    "[]",
    "{}",
    '{"seq":1}',
    '{"revision":1}',
    '{"seq":-1,"revision":1}',
    '{"seq":1,"revision":1.5}',
    '{"seq":"1","revision":1}',
    '{"seq":1e99,"revision":1}',
  ];
  for (const text of BAD) {
    it(`is unknown where it can't be read: ${JSON.stringify(text)}`, () => {
      const folder = temporaryDirectory();
      writeFileSync(join(folder, FILE), text);
      expect(readMark(folder, 100)).to.equal(null);
    });
  }

  it("is unknown where there is none, and is kept later where it can't be now", async () => {
    const folder = join(temporaryDirectory(), "gone");
    expect(readMark(folder, 100)).to.equal(null);
    const log = new FakeLog();
    let failures = 0;
    const mark = new FactsMark(log, folder, 0, system.timers, () => failures++);
    await sleep(20);
    log.sync(20_000);
    await sleep(20);
    await mark.close();
    expect(failures).to.equal(2);
  });
});

describe("a service that starts by the mark of facts", function () {
  let child: Child | null = null;
  afterEach(() => child?.kill());

  async function started(place: Place): Promise<Child> {
    child = new Child(place);
    await child.ready();
    return child;
  }

  interface Line {
    seq: number;
    kind: string;
    facts_revision?: number | null;
  }

  /** Of all segments, in their order. */
  function recordsIn({ records }: Place): Line[] {
    return segmentsIn(records).flatMap((path) => linesIn(path));
  }

  function segmentsIn(folder: string): string[] {
    const names = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    return names.sort().map((name) => join(folder, name));
  }

  function linesIn(path: string): Line[] {
    return readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  }

  function recorded(place: Place): number[] {
    return recordsIn(place).flatMap(({ kind, facts_revision }) =>
      kind === "facts" && typeof facts_revision === "number" ? [facts_revision] : [],
    );
  }

  /** As a power cut leaves a log of which the last records never came to the disk. */
  function cutFrom({ records }: Place, revision: number): void {
    const cut =
      segmentsIn(records)
        .flatMap(linesIn)
        .find(({ facts_revision }) => facts_revision === revision)?.seq ?? Infinity;
    for (const path of segmentsIn(records)) {
      const kept = linesIn(path).filter(({ seq }) => seq < cut).length;
      const text = readFileSync(path, "utf8")
        .split("\n")
        .slice(0, kept)
        .map((line) => `${line}\n`)
        .join("");
      if (kept === 0) rmSync(path);
      else writeFileSync(path, text);
    }
  }

  for (const [what, lost] of [
    ["nothing", 0],
    ["its last change's record", 1],
    ["the records of all changes since the mark", 3],
  ] as const) {
    it(`puts on record what its store has, once and in order, where a crash took ${what}`, async () => {
      // Changes of before the mark are in segments that the start doesn't read. And nothing signs these records meanwhile: what is signed is missed, and not made again.
      const place = placeIn(temporaryDirectory(), { log: { checkpoint_ms: 3_600_000, segment_bytes: 4096 } });
      const change = async (token: string): Promise<void> => {
        const { outcome } = await (child as Child).told("POST", "/revocations", { scope: { token }, reason: "odd" });
        expect(outcome).to.equal("200");
      };
      const decideSome = async (): Promise<void> => {
        const asked = { agent: "a-1", purpose: "none", verb: "read", resource: { type: "customer", id: "c-1" } };
        for (let i = 0; i < 8; i++) expect((await (child as Child).told("POST", "/decide", asked)).status).to.equal(200);
      };
      await started(place);
      for (const token of ["t-1", "t-2"]) await change(token);
      await decideSome();
      await child?.stop();
      await started(place);
      expect(readMark(place.records, recordsIn(place).length)).to.include({ revision: 2 });
      await decideSome();
      for (const token of ["t-3", "t-4", "t-5"]) await change(token);
      await child?.kill();
      expect(recorded(place)).to.deep.equal([1, 2, 3, 4, 5]);
      cutFrom(place, 6 - lost);
      // These were synced; of a group that wasn't, the mark says nothing either.
      rmSync(join(place.records, "durable.mark"));
      expect(recorded(place)).to.deep.equal([1, 2, 3, 4, 5].slice(0, 5 - lost));
      await started(place);
      expect(recorded(place)).to.deep.equal([1, 2, 3, 4, 5]);
    });
  }
});
