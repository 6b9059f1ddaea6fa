import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { loadBenchmark, type Access } from "../../demo/benchmark.js";
import type { Attempt } from "../../demo/enforcement.js";
import type { Judged, JudgedCall } from "../../demo/replay.js";
import { report } from "../../demo/report.js";
import type { Answer, Obligation } from "../../src/contract/index.js";

function attempt(acted: boolean, because: string[] = [], flagged = false): Attempt {
  const decision = flagged ? "flag" : acted ? "allow" : "deny";
  const answer = { decision, proceed: acted, obligations: [] as Obligation[] } as Answer;
  return { acted, verdict: { mayAct: acted, answer, outcome: { then: decision, because } } };
}

function broken(came: Attempt): Judged {
  return { where: "row 1", call: { name: "cancel_pending_order", kwargs: {} }, attempt: came };
}

function recorded(access: Access, shopAccepts: boolean, came: Attempt): JudgedCall {
  return { ...broken(came), access, shopAccepts };
}

const denied = broken(attempt(false, ["reason_not_accepted"]));
const elsewhere = broken(attempt(false, ["order_not_pending"]));

describe("the demo's report", () => {
  it("finds nothing wrong where what is needed is allowed and the rest denied with its own code", () => {
    const work = [
      recorded("read", true, attempt(true)),
      recorded("read", false, attempt(true)),
      recorded("write", true, attempt(true)),
      recorded("write", false, attempt(false)),
      recorded("generic", true, attempt(true)),
    ];
    expect(report(work, [denied], ["bad_reason"]).failures).to.deep.equal([]);
  });

  const wrong: [string, JudgedCall[], Judged[], string[]][] = [
    ["a read that is denied", [recorded("read", true, attempt(false))], [], []],
    ["a read that is flagged, even where it goes ahead", [recorded("read", true, attempt(true, [], true))], [], []],
    ["a write that the shop accepts and that is denied", [recorded("write", true, attempt(false))], [], []],
    ["a write that the shop refuses and that is allowed", [recorded("write", false, attempt(true))], [], []],
    ["another call that is denied", [recorded("generic", true, attempt(false))], [], []],
    ["a broken row that is allowed", [], [broken(attempt(true, ["reason_not_accepted"]))], ["bad_reason"]],
    ["a broken row that only waits", [], [broken(attempt(false, ["reason_not_accepted"], true))], ["bad_reason"]],
    ["more than two rows without their own code", [], [elsewhere, elsewhere, elsewhere], Array<string>(3).fill("bad_reason")],
    ["more than two rows of a rule that it doesn't know", [], [denied, denied, denied], Array<string>(3).fill("new_rule")],
  ];
  for (const [title, work, rows, rules] of wrong) {
    it(`finds ${title}`, () => {
      expect(report(work, rows, rules).failures).to.have.length.above(0);
    });
  }

  it("counts by rule", () => {
    const { text } = report([], [denied, elsewhere, denied], ["bad_reason", "bad_reason", "wrong_status"]);
    expect(text).to.match(/^ *bad_reason +2 +0 +2 +0 +1$/m);
    expect(text).to.match(/^ *wrong_status +1 +0 +1 +0 +0$/m);
    expect(text).to.match(/^ *all of them +3 +0 +3 +0 +1$/m);
  });
});

describe("what the demo reads of the benchmark", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-demo-"));
    const write = (file: string, value: unknown): void => {
      writeFileSync(join(folder, file), `${JSON.stringify(value)}\n`);
    };
    const call = { name: "get_order_details", kwargs: { order_id: "W-1" } };
    const secrets = { owner: "SECRET", owners_seen: ["SECRET"], error: "SECRET", output_excerpt: "SECRET" };
    write("retail.db.json", {
      users: {},
      orders: { "W-1": { user_id: "ada", status: "pending", items: [["mug", "m", 19.99]], payments: [] } },
      items: {},
      products: {},
    });
    write("retail.tools.json", { tools: [{ name: "get_order_details", access: "read" }] });
    write("retail.jsonl", { id: "0", user_id: "ada", ...secrets, actions: [{ ...call, ...secrets }] });
    write("retail.negatives.jsonl", {
      ...{ id: "SECRET", task_id: "0", user_id: "SECRET", rule: "bad_reason", policy: "SECRET", changed: "SECRET" },
      ...{ expected: "SECRET", api_rejects: "SECRET", api_error: "SECRET", instruction: "SECRET" },
      ...{ prior: [{ ...call, ...secrets }], call: { ...call, ...secrets } },
    });
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("holds nothing that an enforcement point may not know", () => {
    const { conversations, broken: rows, rules } = loadBenchmark(folder);
    const call = { name: "get_order_details", kwargs: { order_id: "W-1" } };
    expect(conversations).to.deep.equal([{ id: "0", customer: "ada", calls: [call] }]);
    expect(rows).to.deep.equal([{ conversation: "0", prior: [call], call }]);
    expect(rules).to.deep.equal(["bad_reason"]);
  });

  it("holds money in whole cents", () => {
    const [line] = loadBenchmark(folder).database.orders.get("W-1")?.lines ?? [];
    expect(line?.price_cents).to.equal(1999);
  });
});
