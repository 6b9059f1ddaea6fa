import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ask } from "../../src/authoring/ask.js";
import { explainInput } from "../../src/explain/explanation.js";
import { groundOf } from "../../src/authoring/set.js";
import { situationOf } from "../../src/authoring/situation.js";
import { readTable } from "../../src/authoring/table.js";
import { Sheet } from "../../src/bundle/source.js";
import { readUnverified } from "../../src/bundle/verify.js";
import type { Explanation, PolicyInput } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import type { Ground } from "../../src/authoring/run.js";
import { asset } from "../../src/system/paths.js";

interface Stopped {
  name: string;
  input: PolicyInput;
  explanation: Explanation;
}

describe("what would let a stopped action pass", function () {
  async function shipped(set: string): Promise<{ ground: Ground; stopped: Stopped[] }> {
    const { identity, wasm, data, catalogue, metadata, files } = await readUnverified(readFileSync(asset("bundles", `${set}.tar.gz`)));
    const ground = groundOf({ identity, wasm, data, catalogue, abi: metadata.abi });
    const stopped: Stopped[] = [];
    for (const [file, text] of files) {
      if (!file.startsWith("tables/")) continue;
      const table = readTable(new Sheet(file, text), data.vocabulary);
      for (const one of table.cases) {
        const { answer, input } = await ask(ground.policy, situationOf(table.given, one));
        if (answer.proceed || input === null) continue;
        const explanation = await explainInput(ground.policy, data, input);
        if (explanation !== null) stopped.push({ name: one.name, input, explanation });
      }
    }
    return { ground, stopped };
  }

  const FOUND: [set: string, share: number][] = [
    ["customer_support", 0.8],
    ["retail", 0.8],
  ];
  for (const [set, share] of FOUND) {
    it(`is found for most of the cases that ${set} stops, and never more than two changes`, async () => {
      const { stopped } = await shipped(set);
      const answered = stopped.filter(({ explanation }) => (explanation.would_pass?.ways.length ?? 0) > 0);
      expect(answered.length / stopped.length, `${answered.length} of ${stopped.length}`).to.be.at.least(share);
      for (const { explanation } of stopped) {
        for (const { changes } of explanation.would_pass?.ways ?? []) expect(changes).to.have.length.within(1, 2);
      }
    });
  }

  it("is nothing for a policy that denies whatever it is asked, and at a bounded cost", async () => {
    const { ground, stopped } = await shipped("customer_support");
    let evaluations = 0;
    const never: Pick<ActivePolicy, "evaluate" | "catalogue"> = {
      catalogue: ground.catalogue,
      evaluate: () => {
        evaluations++;
        const reasons = [{ effect: "deny", code: "never", severity: "high", params: {} }];
        return { ok: true, result: { decision: "deny", proceed: false, reasons, obligations: [] }, fuel: 1 };
      },
    };
    for (const { input } of stopped) {
      evaluations = 0;
      const explained = await explainInput(never, ground.data, input);
      expect(explained?.would_pass).to.deep.include({ ways: [], grant: "lifts_nothing" });
      expect(evaluations).to.be.below(700);
    }
  });

  it("counts a way only where the policy says `proceed`: a flag that waits is none", async () => {
    const { ground, stopped } = await shipped("customer_support");
    const waiting: Pick<ActivePolicy, "evaluate" | "catalogue"> = {
      catalogue: ground.catalogue,
      evaluate: () =>
        ({
          ok: true,
          result: { decision: "flag", proceed: false, reasons: [{ effect: "flag", code: "f", proceed: false }], obligations: [] },
          fuel: 1,
        }) as unknown as ReturnType<ActivePolicy["evaluate"]>,
    };
    const [first] = stopped;
    const explained = await explainInput(waiting, ground.data, first?.input as PolicyInput);
    expect(explained?.would_pass?.ways).to.deep.equal([]);
  });

  it("says of a grant whether it lifts the stop, and names entries and rules with what they found", async () => {
    const { stopped } = await shipped("customer_support");
    const of = (name: string): Explanation => stopped.find((one) => one.name === name)?.explanation as Explanation;
    const stranger = of("another customer's invoice");
    expect(stranger.would_pass?.grant).to.equal("lifts");
    expect(stranger.would_pass?.ways.map(({ changes }) => changes.map(({ words }) => words).join())).to.include.members([
      "a grant let it",
      "customer were `ada` (it is `bob`)",
    ]);
    const refund = of("more than was paid");
    expect(refund.would_pass?.grant).to.equal("lifts_nothing");
    expect(refund.rules.find(({ code }) => code === "refund_exceeds_payment")).to.deep.include({
      fired: true,
      read: [
        { path: "resource.type", found: "payment" },
        { path: "arguments.refund_cents", found: 4901 },
        { path: "amount_cents", found: 4900 },
      ],
    });
    expect(refund.entries.map(({ code, applies }) => [code, applies])).to.deep.equal([["customer_support.allow.6", "yes"]]);
  });

  it("changes nothing of the input that it was given", async () => {
    const { ground, stopped } = await shipped("retail");
    for (const { input } of stopped.slice(0, 10)) {
      const before = JSON.stringify(input);
      await explainInput(ground.policy, ground.data, input);
      expect(JSON.stringify(input)).to.equal(before);
    }
  });
});
