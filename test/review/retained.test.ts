import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { carryOutAlone, planRetention } from "../../src/audit/privacy/retention.js";
import { RETAIN } from "../../src/audit/privacy/retention_record.js";
import { segmentName } from "../../src/audit/log/segments.js";
import { verifyLog } from "../../src/audit/tree/verify.js";
import { review } from "../../src/review/review.js";
import type { Review } from "../../src/review/report.js";
import { StoreFile } from "../../src/store/file.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { LOG_KEY, writeLog } from "../audit/tree/written.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { remit } from "../cli/remit.js";
import { AGENT, bundleOf } from "../replay/desk.js";
import { FROM, TO, agentFact, note, week } from "./made.js";

const NOW = Date.UTC(2026, 5, 1);

describe("a review of a log whose beginning was dropped", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("rests on the same roots, which tiles lead to, and says what is gone", async () => {
    const { folder } = writeLog(join(temporaryDirectory(), "log"), { records: 1000, segment_records: 100, beside_every: 30 });
    const look = (): Review =>
      review({
        folder,
        from_ms: 0,
        to_ms: NOW,
        bundles: [],
        keys: [LOG_KEY.verifier],
        earlier: [],
        now_ms: NOW,
        version: "0.1.0",
        progress: () => undefined,
      });
    const before = look();
    expect(before.rests_on.checkpoint).to.include({ holds: true, keys_named_by: "caller", size: 1000 });
    const plan = await planRetention({ directory: folder, before: { seq: 601 }, nowMs: NOW });
    await carryOutAlone(folder, plan, "ops", NOW);
    const after = look();
    expect(verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage).to.deep.equal([]);
    expect(after.rests_on.checkpoint).to.include({ holds: true });
    expect(after.rests_on.before.size).to.equal(600);
    expect(after.gaps.map(({ what, from, to, records }) => ({ what, from, to, records }))).to.deep.include({
      what: "dropped",
      from: 1,
      to: 600,
      records: 600,
    });
    const signed = (found: Review): string => found.rests_on.checkpoint?.root ?? "";
    expect(before.rests_on.through.root).to.equal(signed(before));
    expect(after.rests_on.through.root).to.be.a("string");
  });

  it("knows from the store who was registered before", async () => {
    const made = await week();
    const place = temporaryDirectory();
    const [log, store, bundle] = [join(place, "log"), join(place, "store"), join(place, "desk.tar.gz")];
    mkdirSync(log);
    mkdirSync(store);
    writeFileSync(bundle, (await bundleOf()).archive);
    note(made.log, FROM + 1, {
      kind: "admin",
      action: RETAIN,
      caller: "ops",
      detail: { from: 1, to: 1003, root: "", facts_revision: 2, keys: [] },
    });
    // Its first records, by which the agent was registered, are gone.
    const lines = made.log
      .lines()
      .slice(3)
      .map((line, i) => line.replace(/,"seq":\d+,/, `,"seq":${1004 + i},`));
    writeFileSync(join(log, segmentName(1004)), lines.map((line) => `${line}\n`).join(""));
    const kept = new StoreFile(join(store, "facts.db"));
    const row = (key: string, value: object, change: string): object => ({
      key,
      expected: 0,
      value: JSON.stringify(value),
      by: "desk@example.com",
      time: new Date(FROM).toISOString(),
      reason: null,
      change,
    });
    kept.write([
      {
        guard: null,
        rows: [
          row(`agent/${AGENT.id}`, agentFact(AGENT.id), "agent_created"),
          row("task/T-1", { id: "T-1" }, "task_created"),
          row("agent/later", agentFact("later"), "agent_created"),
        ],
      },
    ] as never);
    kept.close();
    const args = ["--log", log, "--from", new Date(FROM).toISOString(), "--to", new Date(TO).toISOString(), "--bundle", bundle, "--json"];
    const told = async (...more: string[]): Promise<Review> => JSON.parse((await remit("review", ...args, ...more)).out) as Review;
    expect((await told()).agents.map(({ agent, owner }) => [agent, owner])).to.deep.equal([[AGENT.id, null]]);
    expect((await told("--store", store)).agents.map(({ agent, owner, assigned }) => [agent, owner, assigned])).to.deep.equal([
      [AGENT.id, "it-platform@example.com", true],
    ]);
  });
});
