import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { segmentName } from "../../src/audit/log/segments.js";
import { Remote } from "../../src/embedded/remote.js";
import { Shipper } from "../../src/embedded/shipper.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { until } from "./desk.js";

const ANSWER_MS = 10_000;

/** A folder with so many records of so many bytes. */
function recordsOf(count: number, bytes: number): string {
  const folder = temporaryDirectory();
  const lines = Array.from({ length: count }, (_, i) => `{"answer":{},"pad":"${"x".repeat(bytes)}","seq":${i + 1}}\n`);
  writeFileSync(join(folder, segmentName(1)), lines.join(""));
  return folder;
}

/** One that hands in to a service which takes everything; no time passes but what it waits for, and that at once. */
function shipping(folder: string, { unshipped_max = 100_000, refusals = [] as number[] } = {}) {
  const said = { waits: [] as number[], requests: [] as number[], failing: [] as string[] };
  let now = 0;
  const remote = new Remote(
    { urls: [new URL("http://127.0.0.1:1/")], token: "t" },
    {
      fetch: (_, init) => {
        const { records } = JSON.parse(init.body as string) as { records: unknown[] };
        said.requests.push(records.length);
        const status = refusals.shift();
        if (status !== undefined) return Promise.resolve(Response.json({ code: "not_now" }, { status }));
        return Promise.resolve(Response.json({ taken: records.length, known: 0, refused: [] }));
      },
      monotonic: () => now,
      after: (ms, call) => {
        // A request's own deadline is none that anybody waits for.
        if (ms === ANSWER_MS) return () => undefined;
        said.waits.push(ms);
        const timer = setImmediate(() => {
          now += ms;
          call();
        });
        return () => {
          clearImmediate(timer);
        };
      },
      uuid: () => "u",
    },
  );
  const options = { folder, origin: "o", unshipped_max, unshipped_ms_max: 60_000, answer_ms: ANSWER_MS, retry_ms: 200, retry_max_ms: 2000 };
  const shipper = new Shipper(
    remote,
    options,
    { monotonic: () => now },
    {
      failing: (detail) => said.failing.push(detail),
      shipping: () => undefined,
      refused: () => undefined,
    },
  );
  return { shipper, said, kept: () => (JSON.parse(readFileSync(join(folder, "shipped.json"), "utf8")) as { seq: number }).seq };
}

describe("what an engine hands in", () => {
  it("waits for others once, however many requests its bytes take", async () => {
    const { shipper, said } = shipping(recordsOf(90, 30_000));
    shipper.durable(90);
    shipper.start();
    await until(() => shipper.waiting === 0, "all is handed in");
    expect(said.requests.reduce((all, one) => all + one, 0)).to.equal(90);
    expect(said.requests.length).to.be.above(2);
    expect(said.waits.filter((ms) => ms > 1)).to.deep.equal([200]);
    await shipper.close(1000);
  });

  for (const [unshipped_max, enough] of [
    [100_000, 500],
    [40, 20],
  ] as const) {
    it(`waits for nothing once ${enough} wait, where ${unshipped_max} may`, async () => {
      const { shipper, said } = shipping(recordsOf(enough, 10), { unshipped_max });
      shipper.durable(enough);
      shipper.start();
      await until(() => shipper.waiting === 0, "all is handed in");
      expect(said.requests).to.deep.equal([enough]);
      expect(said.waits.filter((ms) => ms > 1)).to.deep.equal([]);
      await shipper.close(1000);
    });
  }

  it("is handed in by a close that comes before anything was, and how far is kept then", async () => {
    const { shipper, said, kept } = shipping(recordsOf(3, 10));
    shipper.durable(3);
    shipper.start();
    await shipper.close(1000);
    expect([said.requests, kept()]).to.deep.equal([[3], 3]);
  });

  for (const [status, requests] of [
    [503, [3, 3, 3]],
    [403, [3]],
  ] as const) {
    it(`is tried again by a close where the service answers ${status}: ${requests.length === 1 ? "no" : "yes"}`, async () => {
      const { shipper, said } = shipping(recordsOf(3, 10), { refusals: [status, status] });
      shipper.durable(3);
      shipper.start();
      await shipper.close(1000);
      expect(said.requests).to.deep.equal(requests);
    });
  }

  it("is with the service where how far can't be kept, and is not told to be failing", async () => {
    const folder = recordsOf(3, 10);
    const { shipper, said } = shipping(folder);
    mkdirSync(join(folder, "shipped.json.new"));
    shipper.durable(3);
    shipper.start();
    await until(() => shipper.waiting === 0, "all is handed in");
    await shipper.close(1000);
    expect([said.requests, said.failing]).to.deep.equal([[3], []]);
  });
});
