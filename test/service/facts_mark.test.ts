import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { system } from "../../src/system/index.js";
import { FactsMark, readMark, removeMark, type MarkedLog } from "../../src/wiring/facts_mark.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { until } from "../store/support.js";
import { sleep } from "./child.js";

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
    const kept = (): { seq: number; revision: number } =>
      JSON.parse(readFileSync(join(folder, FILE), "utf8")) as ReturnType<typeof kept>;
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

  const BAD = ["", "garbage", "null", "[]", "{}", '{"seq":1}', '{"revision":1}', '{"seq":-1,"revision":1}', '{"seq":1,"revision":1.5}', '{"seq":"1","revision":1}', '{"seq":1e99,"revision":1}']; // prettier-ignore
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
