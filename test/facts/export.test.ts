/** An export has what holds, and nothing that is over: imported elsewhere it would hold again. */
import { expect } from "chai";
import { exportFacts } from "../../src/facts/export.js";
import type { Commands } from "../../src/facts/commands.js";
import { HOUR_MS, World, at } from "./world.js";

const AGENT = { owner: "team", purposes: ["support"] };
const cut = (agent: string): { scope: { agent: string }; reason: string } => ({ scope: { agent }, reason: "odd" });

describe("an export", () => {
  const world = new World();
  let facts: Commands;
  const exported = (): string[] =>
    [...exportFacts(facts.registry, world.clock.wall())].map((line) => {
      const [[kind, fact] = ["", {}]] = Object.entries(line) as [string, { id?: string; agent?: string; scope?: object }][];
      return `${kind} ${fact.id ?? fact.agent ?? JSON.stringify(fact.scope)}`;
    });
  before(async () => {
    facts = await world.open();
    for (const id of ["a-1", "a-2", "a-3"]) await facts.createAgent({ ...AGENT, id }, "host");
    for (const [id, hours] of [
      ["T-live", 3],
      ["T-ended", 3],
      ["T-over", 1],
    ] as const)
      await facts.createTask({ id, agent: "a-1", purpose: "support", expires: at(hours * HOUR_MS) }, "host");
    for (const [id, hours] of [
      ["G-live", 3],
      ["G-ended", 3],
      ["G-over", 1],
    ] as const) {
      const said = { reason: "needed", requested_by: "ada", approved_by: "bob", expires: at(hours * HOUR_MS) };
      await facts.createGrant({ id, agent: "a-1", entry: { read: "ticket" }, ...said }, "host");
    }
    await facts.changeTask("T-ended", { ended: true }, null, "host");
    await facts.endGrant("G-ended", { ended: true, reason: "done" }, null, "host");
    for (const agent of ["a-2", "a-3"]) await facts.revoke(cut(agent), "ops");
    await facts.lift("agent/a-3", { reason: "explained" }, null, "ops");
    const told = { scope: { agent: "a-2" }, as_of_ms: world.clock.wall(), reason: "told" };
    await facts.revokeAsTold({ ...told, source: "idp" }, "idp");
    const asked = { reason: "odd", actions_per_minute: 5, purpose: null, why: [], below: null, for_ms: null };
    for (const agent of ["a-1", "a-3"]) await facts.narrowAgent(agent, asked, "ops");
    await facts.widenAgent("a-3", { reason: "explained" }, null, "ops");
    world.clock.wall_ms += HOUR_MS;
  });

  it("has agents, what is live of theirs, and each revocation once, whoever else has made it", () => {
    expect(exported().sort()).to.deep.equal([
      ...["agent a-1", "agent a-2", "agent a-3", "grant G-live", "narrowing a-1", 'revocation {"agent":"a-2"}', "task T-live"],
    ]);
  });
});
