import { expect } from "chai";
import {
  Exporter,
  type ConfiguredSink,
  type ExportThread,
  type FromExport,
  type ToExport,
  type WorkerOptions,
} from "../../../src/audit/export/exporter.js";
import { Life, Loop } from "../../simulation/loop.js";

const SINK: ConfiguredSink = {
  ...{ name: "siem", url: "https://siem.example/", format: "ocsf", data: "record", gzip: false, from: "start" },
  ...{ batch_records_max: 10, batch_bytes_max: 100_000, interval_ms: 10, timeout_ms: 10, retry_ms: 10, retry_max_ms: 10 },
};

/** A thread that is told, says what the test says, and dies when it is made to. */
class Puppet implements ExportThread {
  readonly told: ToExport[] = [];
  says: (message: FromExport) => void = () => undefined;
  dies: (cause: Error) => void = () => undefined;

  constructor(readonly options: WorkerOptions) {}

  postMessage(message: ToExport): void {
    this.told.push(message);
  }

  onMessage(call: (message: FromExport) => void): void {
    this.says = call;
  }

  onDeath(call: (cause: Error) => void): void {
    this.dies = call;
  }

  terminate(): void {
    throw new Error("nobody ends it so");
  }
}

describe("the thread that exports", () => {
  const world = () => {
    const loop = new Loop(0);
    const threads: Puppet[] = [];
    const said: string[] = [];
    const state = { durable: 7 };
    const exporter = new Exporter(
      { directory: "log", sinks: [SINK] },
      () => state.durable,
      new Life(loop),
      (event, fields) => said.push(`${event} ${JSON.stringify(fields)}`),
      (options) => {
        threads.push(new Puppet(options));
        return threads.at(-1) as Puppet;
      },
    );
    return { loop, threads, said, state, exporter };
  };

  it("is told how far records are on disk, at most ten times a second, and only where there are more", async () => {
    const { loop, threads, state } = world();
    expect(threads[0]?.options).to.deep.equal({ directory: "log", sinks: [SINK], durable: 7 });
    await loop.pass(1000);
    for (let i = 0; i < 1000; i++) {
      state.durable++;
      await loop.pass(1);
    }
    const { told = [] } = threads[0] ?? {};
    expect(told.length).to.be.within(9, 11);
    expect(told.every(({ kind }) => kind === "durable")).to.be.true;
  });

  it("is started again where it dies, from what is on disk by then, and nobody else is the worse for it", async () => {
    const { loop, threads, state, said, exporter } = world();
    threads[0]?.dies(new Error("out of memory"));
    state.durable = 30;
    await loop.pass(900);
    expect([threads.length, threads[0]?.told]).to.deep.equal([1, []]);
    await loop.pass(200);
    expect([threads.length, threads[1]?.options.durable]).to.deep.equal([2, 30]);
    expect(said).to.deep.equal(['export_ended {"detail":"out of memory"}']);
    threads[1]?.says({ kind: "event", event: "sink_back", fields: { sink: "siem" } });
    expect(said.at(-1)).to.equal('sink_back {"sink":"siem"}');
    expect(exporter.sinks).to.have.length(1);
  });

  it("says how each sink stands, and how far behind it is", () => {
    const { threads, exporter, state } = world();
    expect(exporter.sinks).to.deep.equal([{ name: "siem", delivered_seq: 0, failures: 0, set_aside: 0, lag: 7 }]);
    threads[0]?.says({ kind: "status", sinks: [{ name: "siem", delivered_seq: 5, failures: 2, set_aside: 1 }] });
    state.durable = 25;
    expect(exporter.sinks).to.deep.equal([{ name: "siem", delivered_seq: 5, failures: 2, set_aside: 1, lag: 20 }]);
    // Just said by the thread, which may know of more.
    state.durable = 4;
    expect(exporter.sinks[0]?.lag).to.equal(0);
  });

  it("is waited for when the service stops, however it ends, and not where it is dead already", async () => {
    for (const end of [(thread?: Puppet) => thread?.says({ kind: "closed" }), (thread?: Puppet) => thread?.dies(new Error("it exited"))]) {
      const { threads, exporter } = world();
      const closed = exporter.close();
      expect(threads[0]?.told).to.deep.equal([{ kind: "close" }]);
      end(threads[0]);
      await closed;
    }
    const { loop, threads, exporter } = world();
    threads[0]?.dies(new Error("it exited"));
    await exporter.close();
    await loop.pass(10_000);
    expect(threads).to.have.length(1);
  });
});
