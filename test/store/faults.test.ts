import { expect } from "chai";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { StoreFile, type StoreOperations } from "../../src/store/file.js";
import { serveStore } from "../../src/store/keeper.js";
import { SqliteStore, type KeeperThread, type StoreEvents } from "../../src/store/sqlite.js";
import { StoreUnavailable } from "../../src/store/store.js";
import { systemTimers } from "../../src/system/index.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { allChanges, failureOf, until, write } from "./support.js";

type Moment = "before" | "after";

/** A file that fails to write, before or after it has written, as often as it is told to. */
class FailingFile extends StoreFile {
  static moment: Moment | null = null;
  /** How many more opened files do not open. */
  static shut = 0;
  static opened = 0;
  static written = 0;

  constructor(file: string) {
    FailingFile.opened++;
    if (FailingFile.shut-- > 0) throw new Error("EIO: open");
    super(file);
  }

  override write(calls: Parameters<StoreOperations["write"]>[0]): ReturnType<StoreOperations["write"]> {
    const { moment } = FailingFile;
    FailingFile.moment = null;
    FailingFile.written++;
    if (moment === "before") throw new Error("EIO: write");
    const outcomes = super.write(calls);
    if (moment === "after") throw new Error("EIO: sync");
    return outcomes;
  }
}

/** Takes the state that it finds after a failure, as it is. */
class ForgivingFile extends FailingFile {
  override recover(): void {
    // Nothing is undone.
  }
}

/** The keeper in this thread. */
function inThisThread(open: () => StoreOperations): (durable: number | null) => KeeperThread {
  return (durable) => {
    const { port1, port2 } = new MessageChannel();
    serveStore(port2, open, systemTimers, durable);
    return {
      postMessage: (message) => {
        port1.postMessage(message);
      },
      onMessage: (call) => {
        port1.on("message", call);
      },
      onDeath: () => undefined,
      terminate: () => {
        port1.close();
      },
    };
  };
}

describe("a store whose disk fails", () => {
  let said: string[];
  let store: SqliteStore;

  async function open(Kind: new (file: string) => StoreOperations): Promise<void> {
    Object.assign(FailingFile, { moment: null, shut: 0, opened: 0, written: 0 });
    said = [];
    const events: StoreEvents = {
      unavailable: (detail) => said.push(detail),
      ready: (at) => said.push(`ready at ${at}`),
    };
    const file = join(temporaryDirectory(), "store.db");
    const limits = { queue_calls_max: 1000, queue_bytes_max: 1_000_000 };
    store = await SqliteStore.open(
      { file, ...limits },
      systemTimers,
      events,
      inThisThread(() => new Kind(file)),
    );
    await store.write([write("k", 0, "first")]);
  }
  afterEach(() => store.close());

  const moments: [Moment, string][] = [
    ["before", "EIO: write"],
    ["after", "EIO: sync"],
  ];
  for (const [moment, detail] of moments) {
    it(`refuses a whole group that fails ${moment} it is written, has nothing of it, and goes on by itself`, async () => {
      await open(FailingFile);
      FailingFile.moment = moment;
      const calls = ["a", "b", "k"].map((key) => store.write([write(key, key === "k" ? 1 : 0), write(`${key}/2`, 0)]));
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).to.have.property("reason").that.is.instanceOf(StoreUnavailable).and.includes({ detail });
      }
      expect(store.healthy).to.be.false;
      expect(store.revision).to.equal(1);
      for (const call of [store.write([write("c", 0)]), store.changes(0, 1)]) {
        expect(await failureOf(call)).to.be.instanceOf(StoreUnavailable);
      }
      await until(() => store.healthy);
      expect(await allChanges(store)).to.have.length(1);
      // Tried again as it was, it succeeds: nothing of it was there.
      expect(await store.write([write("k", 1), write("k/2", 0)])).to.deep.equal([2, 3]);
      expect(said).to.deep.equal(["ready at 0", detail, "ready at 1"]);
    });
  }

  it("would hold what it had refused, if a failed commit weren't undone", async () => {
    await open(ForgivingFile);
    FailingFile.moment = "after";
    expect(await failureOf(store.write([write("k", 1)]))).to.be.instanceOf(StoreUnavailable);
    await until(() => store.healthy);
    expect(await failureOf(store.write([write("k", 1)]))).to.include({ name: "StoreConflict", found: 2 });
  });

  it("opens the file again until it opens, and says once that it is away and once that it is back", async () => {
    await open(FailingFile);
    FailingFile.shut = 3;
    FailingFile.moment = "before";
    expect(await failureOf(store.write([write("a", 0)]))).to.be.instanceOf(StoreUnavailable);
    await until(() => store.healthy);
    expect(FailingFile.opened).to.equal(5);
    expect(said).to.deep.equal(["ready at 0", "EIO: write", "ready at 1"]);
  });

  it("never writes what was refused, however late it comes to the worker", async () => {
    await open(FailingFile);
    const { written } = FailingFile;
    FailingFile.moment = "before";
    const first = failureOf(store.write([write("a", 0)]));
    await new Promise((resolve) => setImmediate(resolve));
    // Handed over when the first had failed already, and before this side knew.
    const second = failureOf(store.write([write("b", 0)]));
    for (const refused of await Promise.all([first, second])) expect(refused).to.be.instanceOf(StoreUnavailable);
    await until(() => store.healthy);
    await store.write([write("c", 0)]);
    expect((await allChanges(store)).map(({ key }) => key)).to.deep.equal(["k", "c"]);
    expect(FailingFile.written - written).to.be.within(2, 3);
  });

  it("closes while it is away, and has after that what was acknowledged", async () => {
    await open(FailingFile);
    FailingFile.shut = 1_000_000;
    FailingFile.moment = "before";
    expect(await failureOf(store.write([write("a", 0)]))).to.be.instanceOf(StoreUnavailable);
    await store.close();
    expect(store.healthy).to.be.false;
  });

  it("refuses to go on where the file has come to end before what was acknowledged", async () => {
    await open(FailingFile);
    const other = join(temporaryDirectory(), "other.db");
    const file = new StoreFile(other);
    expect(() => {
      file.recover(1);
    }).to.throw("the file ends at revision 0, 1 was acknowledged");
    file.close();
  });
});
