/** What the process that has the records reports of a log: damage where there is some, and none where records only come. */
import { expect } from "chai";
import { mkdtempSync, rmSync, truncateSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { segmentsOf } from "../../src/audit/log/record_lines.js";
import { serveRecords, type FromRecords, type ToRecords } from "../../src/records/serve.js";
import { system } from "../../src/system/index.js";
import { RandomLog } from "./random_log.js";

describe("the process that has the records", () => {
  let folder: string;
  let log: RandomLog;
  let sent: FromRecords[];
  let say: (message: ToRecords) => void;
  let closed: Promise<void>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-reports-"));
    log = new RandomLog(folder).grow(20);
    sent = [];
  });
  afterEach(async () => {
    say({ kind: "close" });
    await closed;
    rmSync(folder, { recursive: true, force: true });
  });

  function serve(durable: number): void {
    closed = new Promise((resolve) => {
      serveRecords(
        {
          send: (message) => sent.push(message),
          onMessage: (call) => (say = call),
          close: resolve,
        },
        { folder, overdue_ms: 1_000, wait_ms: 10_000, durable },
        system,
      );
    });
  }

  const indexed = async (seq: number): Promise<void> => {
    while (!sent.some((message) => (message.kind === "indexed" || message.kind === "opened") && message.seq >= seq))
      await new Promise((resolve) => setImmediate(resolve));
  };
  const lacking = (): FromRecords[] => sent.filter(({ kind }) => kind === "lacking");

  it("says nothing of damage while records become durable faster than they are taken in", async () => {
    serve(log.last);
    await indexed(log.last);
    for (let id = 1; id <= 5; id++) {
      log.grow(3);
      // Whatever is asked takes in what is durable at once; more is, before that is done.
      say({ kind: "ask", id, ask: { kind: "one", id: "nobody's" }, durable: log.last });
      await new Promise((resolve) => setImmediate(resolve));
      log.grow(3);
      say({ kind: "durable", seq: log.last });
      while (!sent.some((message) => message.kind === "answered" && message.id === id))
        await new Promise((resolve) => setImmediate(resolve));
    }
    await indexed(log.last);
    expect(lacking()).to.deep.equal([]);
  });

  it("says so, once, where the log ends before the record that is durable", async () => {
    serve(log.last);
    await indexed(log.last);
    const [segment] = segmentsOf(folder).slice(-1);
    const path = join(folder, segment?.name ?? "");
    const { size } = statSync(path);
    const before = log.last;
    log.grow(2);
    truncateSync(path, size);
    say({ kind: "durable", seq: log.last });
    while (lacking().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    say({ kind: "durable", seq: log.last });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lacking()).to.deep.equal([{ kind: "lacking", records: 2, first: before + 1 }]);
  });
});
