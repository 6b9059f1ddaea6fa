import { expect } from "chai";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { act, bytesOf, live, MONDAY } from "./desk.js";

describe("what an agent's profile may take", () => {
  it("is at most 24 KiB, whatever it does: names without end, sizes without measure, times in any order", () => {
    const profile = new BehaviorProfile({ agents_max: 4 });
    let dice = 1;
    const next = (): number => (dice = (Math.imul(dice, 1_664_525) + 1_013_904_223) >>> 0);
    const odd = ["", "\ud800", "\u202e\u0000", "x".repeat(10_000), "ok"];
    for (let i = 0; i < 50_000; i++) {
      const any = (name: string): string => (next() % 50 === 0 ? (odd[next() % odd.length] ?? "") : `${name}-${next()}`);
      const one = act({
        agent: `a-${next() % 7}`,
        version: String(next() % 3),
        purpose: any("p"),
        verb: any("v"),
        type: any("t"),
        id: next() % 4 === 0 ? null : any("r"),
        task: next() % 3 === 0 ? null : any("k"),
        session: next() % 3 === 0 ? null : any("s"),
        source: next() % 3 === 0 ? null : any("w"),
        time_ms: [next() * 1000, MONDAY + i * 1000, -1, Number.MAX_SAFE_INTEGER][next() % 4] ?? 0,
        offset_ms: (next() % 100) * 1_000_000 - 50_000_000,
        relation: (["task", "other", "unknown"] as const)[next() % 3] ?? "task",
      });
      const { risk, reasons, channels, confidence } = live(profile, one, (["allow", "deny", "flag", "log"] as const)[next() % 4]);
      if (!(risk >= 0 && risk <= 100 && Number.isInteger(risk) && confidence >= 0 && confidence <= 1))
        expect.fail(`risk ${risk}, confidence ${confidence}`);
      for (const value of Object.values(channels)) if (!(value >= 2 && value < 100)) expect.fail(`${value} decades`);
      for (const reason of reasons)
        if (reason.length > 250 || /[\u0000-\u001f\u202e\ud800-\udfff]/.test(reason)) expect.fail(JSON.stringify(reason));
    }
    expect(profile.agents.size).to.equal(4);
    for (const state of profile.agents.values()) expect(state.size).to.be.at.most(24 * 1024);
    expect(bytesOf(profile).length).to.be.below(4 * 24 * 1024 + 256 * 24 * 1024 + 4096 * 100);
  });
});
