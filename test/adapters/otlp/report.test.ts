import { expect } from "chai";
import { OtlpReports, type OtlpDeps } from "../../../src/adapters/otlp/report.js";
import { CALLER } from "../../decision/world.js";
import { asProtobuf } from "./proto.js";
import { traces } from "./spans.js";

const EMPTY = { spans: [], accepted: 0 };

/** Reports on a clock that each read of a request moves on. */
class Desk {
  now_ms = 0;
  /** What happened, in order: `read` of a request, `pause <ms>`. */
  readonly said: string[] = [];
  readonly reports: OtlpReports;
  #resume: (() => void)[] = [];

  constructor(read_ms: number) {
    const observation = {
      take: () => {
        this.said.push("read");
        this.now_ms += read_ms;
        return Promise.resolve();
      },
      end: () => Promise.resolve({ ...EMPTY, refused: [], stopped: null }),
    };
    const deps = {
      mapping: { tools: new Map(), words: new Map() },
      observer: { begin: () => observation },
      limits: { spans_max: 50 },
      vouched: () => Promise.resolve(),
      othersTurn: () => Promise.resolve(),
      pause: (ms: number) => {
        this.said.push(`pause ${ms}`);
        return new Promise<void>((resolve) => this.#resume.push(resolve));
      },
      now: () => this.now_ms,
    };
    this.reports = new OtlpReports(deps as unknown as OtlpDeps);
  }

  async resume(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (const resume of this.#resume.splice(0)) resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const send = (desk: Desk) => desk.reports.traces({ body: asProtobuf(traces([])), isProtobuf: true }, CALLER);

describe("requests of traces that come at once", () => {
  it("are read one after another, each after as long as the one before took, so that decisions have half of the time", async () => {
    const desk = new Desk(40);
    const all = [send(desk), send(desk), send(desk)];
    await all[0];
    await desk.resume();
    expect(desk.said).to.deep.equal(["read", "pause 40", "read", "pause 40"]);
    await desk.resume();
    await Promise.all(all);
    expect(desk.said.filter((one) => one === "read")).to.have.lengthOf(3);
  });

  it("wait for no longer than a quarter of a second after one that waited for the disk", async () => {
    const desk = new Desk(9000);
    await send(desk);
    await desk.resume();
    expect(desk.said).to.deep.equal(["read", "pause 250"]);
  });

  it("wait as well for one that can't be read, and for logs", async () => {
    const desk = new Desk(1);
    const bad = desk.reports.check({ body: Buffer.from("hello"), isProtobuf: true }, "logs").catch(() => "refused");
    const next = send(desk);
    expect(await bad).to.equal("refused");
    await desk.resume();
    await next;
    expect(desk.said.slice(0, 2)).to.deep.equal(["pause 0", "read"]);
  });
});
