/** What is tried to get round a revocation or a suspension without lifting it. */
import type { CreateAgent } from "../../src/contract/index.js";
import { readYamlDocument } from "../../src/facts/import_file.js";
import { World as DecisionWorld } from "../decision/world.js";
import { World } from "../facts/world.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const CREDENTIAL = { issuer: "https://login.example", subject: "w-1" };
const WORKER: CreateAgent = { id: "w-1", owner: "evil@x", purposes: ["support"], credentials: [CREDENTIAL] };

threat("E11", "what stops an agent stays until it is lifted, whatever is changed about the agent", {
  async check(tree) {
    const { Commands } = await tree("facts/commands.js");
    const { importFacts: imported } = await tree("facts/import.js");
    type Facts = Awaited<ReturnType<typeof Commands.open>>;
    const stops: [what: string, stop: (facts: Facts) => Promise<unknown>][] = [
      ["its owner's revocation", (facts) => facts.revoke({ scope: { owner: "evil@x" }, reason: "r" }, "ops")],
      ["its own", (facts) => facts.revoke({ scope: { agent: "w-1" }, reason: "r" }, "ops")],
      ["its suspension", (facts) => facts.changeAgent("w-1", { status: "suspended", reason: "r" }, null, "ops")],
    ];
    const bring = (text: string) => (facts: Facts) =>
      imported(facts as never, readYamlDocument(Buffer.from(text), "import"), {
        id: `i-${text.length}`,
        dryRun: false,
        by: "host",
        reason: null,
      });
    const change =
      (members: object) =>
      (facts: Facts): Promise<unknown> =>
        facts.changeAgent("w-1", members, facts.registry.agent("w-1")?.revision ?? 0, "host");
    const ways: [what: string, way: (facts: Facts) => Promise<unknown>][] = [
      ["another owner", change({ owner: "evil2@x" })],
      [
        "another owner, imported",
        bring('agents: {w-1: {owner: evil2@x, purposes: [support], credentials: [{issuer: "https://login.example", subject: w-1}]}}'),
      ],
      ["its credentials given up", change({ credentials: [] })],
      [
        "an import that says it is active",
        bring(
          'agents: {w-1: {owner: evil@x, purposes: [support], status: active, credentials: [{issuer: "https://login.example", subject: w-1}]}}',
        ),
      ],
    ];
    for (const [stopped, stop] of stops) {
      for (const [way, go] of ways) {
        const facts = await new World().open(0, Commands);
        await facts.createAgent(WORKER, "host");
        await stop(facts);
        await codeOf(() => go(facts));
        const free = facts.registry.agentOf(CREDENTIAL) === undefined;
        const agent = facts.registry.agent("w-1");
        const works =
          agent?.status === "active" && !facts.registry.revoked("owner", agent.owner) && !facts.registry.revoked("agent", "w-1");
        if (works || free) return `${stopped}, by ${way}`;
      }
    }
    return null;
  },
  without: {
    "owners staying": [cut.refusal("facts/agents.js", "checkStaysStopped", "/owner")],
    "credentials staying": [cut.refusal("facts/agents.js", "checkStaysStopped", "/credentials")],
    "imports restoring nobody": [
      cut.text("facts/import.js", "Staged.#agent", 'before.status !== "active" && wanted.status === "active"', "false"),
    ],
  },
});

threat("E11", "a caller is cut off, whether its tokens have a `jti` or not", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const world = new DecisionWorld(decider);
    if (!(await world.decide()).answer.proceed) throw new Error("nothing is permitted");
    world.revoked.add("caller/gateway-1");
    return (await world.decide()).answer.proceed ? "a decision of a revoked caller" : null;
  },
  without: {
    "the floor's row": [cut.row("decision/floor.js", "FLOOR", "caller_revoked")],
    "the revocation being looked up": [cut.condition("decision/gather.js", "revocation", ["caller", "id"], "false")],
  },
});
