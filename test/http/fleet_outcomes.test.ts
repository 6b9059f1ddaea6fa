import { expect } from "chai";
import type { Problem, ReportOutcome } from "../../src/contract/index.js";
import { OutcomeReports } from "../../src/decision/outcomes.js";
import { answering } from "../../src/http/asked_nodes.js";
import { FleetOutcomes, REPORT } from "../../src/http/fleet_outcomes.js";
import { NodeNet } from "./node_net.js";

const ID = "01a22683-8654-7c00-8000-000000000000";
const DONE: ReportOutcome = { outcome: "done", took_ms: 12 };

describe("outcomes of decisions in a cluster", () => {
  const names = ["a", "b", "c"];
  let logs: Record<string, string[]>;
  let reports: Record<string, OutcomeReports>;
  let fleets: Record<string, FleetOutcomes>;
  let net: NodeNet;

  beforeEach(() => {
    [logs, reports, fleets, net] = [{}, {}, {}, new NodeNet(...names)];
    for (const name of names) {
      const log: string[] = (logs[name] = []);
      const append = (before: string, after: string): Promise<void> => {
        log.push(`{${before},${after}}`);
        return Promise.resolve();
      };
      const own = (reports[name] = new OutcomeReports({ log: { append }, clock: { wall: () => 0 }, recent_max: 10 }));
      const fleet = (fleets[name] = new FleetOutcomes(own, net.of(name)));
      net.serve(
        name,
        answering({ [REPORT]: (question) => fleet.answer(question) }, () => Promise.reject(new Error("another question"))),
      );
    }
    reports["b"]?.remember(ID, "pep-1", true);
  });

  const report = async (node: string, caller = "pep-1", outcome: ReportOutcome = DONE, id = ID): Promise<string> =>
    (fleets[node] as FleetOutcomes).report(id, caller, outcome).then(
      (answer) => answer.outcome,
      (cause: unknown) => (cause as Problem).code,
    );

  it("are recorded by the node that has decided, whichever is told, and once", async () => {
    expect([await report("a"), await report("c"), await report("b")]).to.deep.equal(["done", "done", "done"]);
    expect(names.map((name) => logs[name]?.length)).to.deep.equal([0, 1, 0]);
    expect(JSON.parse(logs["b"]?.[0] ?? "")).to.include({ kind: "outcome", caller: "pep-1", decision_id: ID, took_ms: 12 });
  });

  it("ask nobody where this node has decided", async () => {
    await report("b");
    expect(net.asked).to.deep.equal([]);
  });

  it("are refused as that node refuses them", async () => {
    await report("a");
    expect(await report("a", "pep-1", { outcome: "failed" })).to.equal("outcome_exists");
    reports["b"]?.remember("01a22683-8654-7c00-8000-000000000001", "pep-1", false);
    expect(await report("c", "pep-1", DONE, "01a22683-8654-7c00-8000-000000000001")).to.equal("decision_not_permitted");
    expect(await report("c", "pep-2"), "another caller").to.equal("decision_not_found");
    expect(await report("c", "pep-1", DONE, "01a22683-8654-7c00-8000-000000000002")).to.equal("decision_not_found");
  });

  it("can't be told while the node that may have decided is silent", async () => {
    net.silent.add("b");
    expect([await report("a"), logs["b"]?.length]).to.deep.equal(["index_unavailable", 0]);
    net.silent.clear();
    net.silent.add("c");
    expect(await report("a"), "another is silent").to.equal("done");
  });

  for (const question of [
    ...["outcome ", "outcome null", "outcome 5", "outcome {}", 'outcome {"id":5,"caller":"pep-1","asked":{"outcome":"done"}}'],
    ...[{ outcome: "perhaps" }, { outcome: "done", more: 1 }, { outcome: "done", took_ms: "12" }, null].map(
      (bad) => `outcome ${JSON.stringify({ id: ID, caller: "pep-1", asked: bad })}`,
    ),
  ])
    it(`record nothing of what is none: ${question}`, async () => {
      await net.of("a").ask(question, ["b"]);
      expect(logs["b"]).to.deep.equal([]);
    });
});
