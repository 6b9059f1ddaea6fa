/** What is tried with an approval: another action than the one that was read, after it has ended, and by whoever asked for it. */
import type { Act, Finding, PolicyInput, PolicyResult } from "../../src/contract/index.js";
import type { AgentProof } from "../../src/decision/ports.js";
import { AGENT, CALLER, REQUEST, TASK, World, live, policyOf } from "../decision/world.js";
import { BUNDLE, flag, seen, sighted } from "../findings/sightings.js";
import { NOW, World as FactsWorld } from "../facts/world.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const APPROVAL = "decision/approval.js";

/** Holds whatever isn't approved. */
function holding({ facts }: PolicyInput): PolicyResult {
  const grant = facts.grants.find(({ exact }) => exact);
  const waits = { effect: "flag" as const, code: "unrelated", severity: "medium" as const, params: {}, proceed: false };
  const granted = { effect: "allow" as const, code: "granted", severity: "info" as const, params: { grant: grant?.id, lifted: [] } };
  return grant === undefined
    ? { decision: "flag", proceed: false, reasons: [waits], obligations: [] }
    : { decision: "allow", proceed: true, reasons: [granted], obligations: [] };
}

const proof = (principal: string, actor = "s-7"): AgentProof => ({
  actor: { issuer: "i", subject: actor },
  principal: { issuer: "i", subject: principal },
  chain: [],
  token: { jti: null, issued_ms: NOW, expires_ms: Infinity },
});

const ASKED = {
  ...REQUEST,
  resource: { type: "invoice", id: "I-1", attributes: { customer: "ada", amount_cents: 100 } },
  related: { pay_from: { type: "payment_method", id: "P-1", attributes: { customer: "ada" } } },
  arguments: { note: "hello", urgent: false },
  context: { session: "S-1", source: "wl-1" },
};

/** The request with one member of one of its objects put otherwise. */
const put = (member: "resource" | "related" | "arguments" | "context", value: object): object => ({
  ...ASKED,
  [member]: { ...ASKED[member], ...value },
});

threat("A18", "an approval is for all that was decided, and for nothing else", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const open = (): World => {
      const world = new World(decider);
      const policy = policyOf(holding);
      world.active = { ...policy, purposes: new Map([...policy.purposes, ["sales", { ...(policy.purposes.get("support") ?? never()) }]]) };
      world.agents.set(AGENT.id, { ...AGENT, purposes: new Set(["support", "sales"]) });
      world.credentials.set("i s-7", AGENT.id);
      world.agentProofs.set("ada", proof("ada")).set("mallory", proof("mallory"));
      world.tasks.set(TASK.id, { ...TASK, principal: null });
      world.tasks.set("T-2", { ...TASK, id: "T-2", principal: null }).set("T-3", { ...TASK, id: "T-3", purpose: "sales", principal: null });
      return world;
    };
    const tries: [what: string, asked: object, move?: (world: World) => void][] = [
      ["another id", { ...ASKED, resource: { ...ASKED.resource, id: "I-2" } }],
      ["another attribute", put("resource", { attributes: { customer: "carol", amount_cents: 100 } })],
      ["another amount", put("resource", { attributes: { customer: "ada", amount_cents: 9000 } })],
      ["an attribute that isn't known", put("resource", { attributes: { customer: "ada" } })],
      ["an attribute of what is related", put("related", { pay_from: { ...ASKED.related.pay_from, attributes: { customer: "bob" } } })],
      ["something else that is related", put("related", { pay_from: { ...ASKED.related.pay_from, id: "P-2" } })],
      ["other arguments", put("arguments", { note: "bye" })],
      ["another session", put("context", { session: "S-2" })],
      ["another source", put("context", { source: "wl-2" })],
      ["another verb", { ...ASKED, verb: "update" }],
      ["another task", { ...ASKED, task: "T-2" }],
      ["another purpose", { ...ASKED, purpose: "sales", task: "T-3" }],
      ["a collection", { ...ASKED, verb: "search", resource: { ...ASKED.resource, id: null } }],
      ["another person", { ...ASKED, agent_token: "mallory" }],
      ["nobody in particular", { ...ASKED, agent_token: undefined }],
      ["another caller", ASKED, (world) => (world.authenticate = () => ({ ...CALLER, id: "gateway-2" }))],
      [
        "another bundle",
        ASKED,
        (world) => (world.active = { ...policyOf(holding), identity: { ...policyOf(holding).identity, digest: "sha256:2" } }),
      ],
      ...["agent/support-7", `owner/${AGENT.owner}`, "task/T-1", "principal/ada", "purpose/support", "everything/"].map(
        (changed): [string, object, (world: World) => void] => [`a change of ${changed}`, ASKED, (world) => world.changes.set(changed, 9)],
      ),
    ];
    for (const [what, asked, move] of tries) {
      const world = open();
      const approved = { ...ASKED, agent_token: "ada" };
      const digest = (await world.decide(approved)).answer.wait?.approval_digest;
      if (digest === undefined) throw new Error("nothing waits");
      world.approvals.set(`${AGENT.id} ${digest}`, [live("approval", { input: { id: "approval", exact: true, about: "any", when: [] } })]);
      if (!(await world.decide({ ...approved, request_id: "r-2", context: { ...ASKED.context, trace: "t-2" } })).answer.proceed)
        throw new Error("what was approved isn't permitted");
      move?.(world);
      if ((await world.decide({ agent_token: "ada", ...asked })).answer.proceed) return what;
    }
    return null;
  },
  without: {
    "the request": [cut.value(APPROVAL, "approvalOf", "asked", '""')],
    "the session and the source": [
      cut.text(
        APPROVAL,
        "approvalOf",
        "context: { ...request.context, trace: null }",
        "context: { session: null, source: null, trace: null }",
      ),
    ],
    "the caller": [cut.value(APPROVAL, "approvalOf", "caller", "null")],
    "the bundle": [cut.value(APPROVAL, "approvalOf", "bundle", "null")],
    "the person that a token names": [
      cut.text(
        APPROVAL,
        "approvalOf",
        "agent_proof && { actor: agent_proof.actor, chain: agent_proof.chain, principal: agent_proof.principal }",
        "null",
      ),
      cut.text(APPROVAL, "principalOf", "agent_proof?.principal?.subject ?? null", "null"),
    ],
    "what changes of agent, owner, task and person": [cut.returns(APPROVAL, "changesOf", "[]")],
    "revocations of the purpose and of everything": [cut.text(APPROVAL, "approvalOf", 'facts.lastChange("purpose", request.purpose)', "0")],
  },
});

function never(): never {
  throw new Error("no purpose");
}

threat("A18", "a grant that is an approval is found by what was approved, by as many as it takes, and made in no other way", {
  async check(tree) {
    const { Commands } = await tree("facts/commands.js");
    const facts = await new FactsWorld().open(0, Commands);
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    const [digest, other, third] = ["a", "b", "c"].map((letter) => `sha256:${letter.repeat(64)}`) as [string, string, string];
    const approve = (decision: string, quorum: number, by: string, of = digest): Promise<unknown> =>
      facts.approve({ agent: "a-1", decision, action_digest: of, approval_digest: of, quorum, reason: "r", expires_ms: NOW + 60_000 }, by);
    const found = (of: string): number => facts.registry.approvals("a-1", NOW, () => of).length;
    await approve("d-1", 2, "lead");
    await approve("d-1", 2, "lead");
    if (found(digest) > 0) return "one of two is enough";
    await approve("d-1", 2, "boss");
    if (found(digest) !== 1) throw new Error("two of two aren't");
    for (const [decision, by] of [
      ["d-3", "lead"],
      ["d-4", "boss"],
    ] as const)
      await approve(decision, 2, by, third);
    if (found(third) !== 1) return "an agent that asks again keeps its action from being approved";
    if (found(other) > 0) return "another action";
    await facts.revoke({ scope: { caller: "boss" }, reason: "r" }, "ops");
    if (found(third) > 0) return "a caller that is revoked is one of two";
    if (facts.registry.take(["approval-d-3"])) return "what a caller approved that is revoked is used";
    const grant = { id: "approval-d-2", agent: "a-1", entry: { read: "invoice" }, reason: "r", requested_by: "a", approved_by: "b" };
    const made = await codeOf(() => facts.createGrant({ ...grant, expires: new Date(NOW + 60_000).toISOString() }, "host"));
    return made === "accepted" ? "a grant in an approval's place" : null;
  },
  without: {
    "the digest": [cut.text("facts/held_grants.js", "HeldGrants.approvals", "fact.value.approval?.digest === wanted", "true")],
    "the quorum": [cut.returns("facts/held_grants.js", "#isApproved", "true")],
    "approvers being looked up": [cut.returns("facts/registry.js", "counts", "true")],
    "one approval a caller": [
      cut.condition("facts/commands.js", "Commands.#addApproval", ["given", "some"], "true"),
      cut.call("facts/commands.js", "Commands.#addApproval", "given.filter", "given"),
    ],
    "approvals of an action being one, however often it was asked for": [
      cut.call("facts/commands.js", "Commands.approve", "openApproval", "undefined as string | undefined"),
    ],
    "ids of its own": [cut.refusal("facts/grants.js", "checkNewGrant", "/id")],
  },
});

threat("A18", "whoever approves has read that very action, and is neither who asked for it nor whom it is for", {
  async check(tree) {
    const { Verdicts } = await tree("findings/verdicts.js");
    const { FindingFold } = await tree("findings/finding.js");
    const one = sighted({ reasons: [flag("unrelated")] });
    const [first, second] = [
      seen(one, `F-${one.decision_id}`, 1, { wait: true }),
      seen(sighted({ reasons: [flag("unrelated")] }), `F-${one.decision_id}`, 2, { wait: true }),
    ];
    Object.assign(first.record, { ancestors: [{ facts: { principal: "bob" } }], proof: { principal: { subject: "cyd" } } });
    Object.assign(second.record.answer.wait ?? {}, { approval_digest: "sha256:other" });
    const fold = new FindingFold(`F-${one.decision_id}`, first);
    fold.take(second);
    if (fold.told.waiting.length !== 2) return "two actions that show as one";
    const approved: string[] = [];
    const finding = { ...fold.told, state: "open", verdict: null, revision: 0 } as Finding;
    const held = { action_digest: "a", approval_digest: "b", principals: finding.waiting[0]?.principals ?? [] };
    const verdicts = new Verdicts({
      findings: { get: () => Promise.resolve(finding) },
      held: { of: () => held },
      policy: () => ({ identity: { digest: BUNDLE }, purposes: new Map([["support", { approvers: { roles: ["lead"], quorum: 1 } }]]) }),
      clock: { wall: () => one.time_ms, monotonic: () => 0 },
      facts: { approve: (_: unknown, by: string) => Promise.resolve(approved.push(by)) } as never,
      recordsOf: () => Promise.resolve([]),
      actOf: () => null,
      limits: { approval_lasts_ms: 1000 },
    });
    const tries: [who: string, roles: string[]][] = [
      ["gateway-1", ["lead"]],
      [one.agent, ["lead"]],
      ["bob", ["lead"]],
      ["Bob", ["lead"]],
      ["cyd", ["lead"]],
      ["corp:cyd", ["lead"]],
      ["eve", ["clerk"]],
      ["eve", ["lead"]],
    ];
    for (const [id, roles] of tries)
      await codeOf(() => verdicts.approve(finding.id, { reason: "r", decision: one.decision_id }, { id, roles: new Set(roles) }));
    return approved.join() === "eve" ? null : approved.join();
  },
  without: {
    "what waits being told apart by all that is approved": [
      cut.text(
        "findings/finding.js",
        "FindingFold.#act",
        "one.approval_digest !== waiting.approval_digest",
        "one.action_digest !== waiting.action_digest",
      ),
    ],
    "the caller that asked being another": [cut.text("findings/verdicts.js", "wantedApprover", "areSimilar(reviewer.id, caller)", "false")],
    "the agent being another": [cut.text("findings/verdicts.js", "wantedApprover", "isReviewer(agent)", "false")],
    "the person being another": [cut.call("findings/verdicts.js", "wantedApprover", "principals.some", "false")],
    "names that look alike being one": [cut.text("findings/verdicts.js", "wantedApprover", "areSimilar(own, name)", "own === name")],
    "the name of an issuer being left out": [cut.call("findings/verdicts.js", "wantedApprover", "id.replace", "reviewer.id")],
    "the role": [cut.condition("findings/verdicts.js", "wantedApprover", ["roles", "length"], "false")],
  },
});

threat("A18", "an approval finds room however many were given and used, and however many grants the agent has", {
  async check(tree) {
    const { Commands } = await tree("facts/commands.js");
    const world = new FactsWorld(undefined, { grants_per_holder_max: 3, grants_max: 8 });
    const facts = await world.open(0, Commands);
    await facts.createAgent({ id: "a-1", owner: "ops", purposes: ["support"] }, "host");
    const grant = { agent: "a-1", entry: { read: "invoice" }, reason: "r", requested_by: "a", approved_by: "b" };
    const expires = new Date(NOW + 60_000).toISOString();
    for (const id of ["G-1", "G-2", "G-3"]) await facts.createGrant({ ...grant, id, expires }, "host");
    const digest = `sha256:${"a".repeat(64)}`;
    const action = { agent: "a-1", action_digest: digest, approval_digest: digest, quorum: 1, reason: "r", expires_ms: NOW + 60_000 };
    for (let i = 0; i < 20; i++) {
      const code = await codeOf(() => facts.approve({ ...action, decision: `d-${i}` }, "lead"));
      if (code !== "accepted") return `approval ${i + 1} is refused: ${code}`;
      if (!facts.registry.take([`approval-d-${i}`])) throw new Error("it can't be used");
    }
    const more = await codeOf(() => facts.createGrant({ ...grant, id: "G-4", expires }, "host"));
    return more === "facts_full" ? null : "a grant beyond the bound";
  },
  without: {
    "grants that are over not being counted": [
      cut.text("facts/held_grants.js", "HeldGrants.liveOf", " && !this.#isOver(grant, now_ms)", ""),
    ],
    "approvals being counted apart": [
      cut.text("facts/held_grants.js", "HeldGrants.liveOf", "(grant.fact.value.action_digest !== null) === exact", "true"),
    ],
    "the bound of a holder": [
      cut.text(
        "facts/commands.js",
        "Commands.makeRoomForGrant",
        "registry.liveGrantsOf(holder, action_digest !== null, now) >= grants_per_holder_max",
        "false",
      ),
    ],
  },
});

threat("A5", "a verdict teaches nothing of what its own reviewer asked for, did, or had done for it", {
  async check(tree) {
    const { Verdicts } = await tree("findings/verdicts.js");
    const { FindingFold } = await tree("findings/finding.js");
    const one = sighted({ reasons: [flag("unrelated")] });
    const first = seen(one, `F-${one.decision_id}`, 1);
    Object.assign(first.record, { proof: { principal: { subject: "cyd" } } });
    const finding = { ...new FindingFold(`F-${one.decision_id}`, first).told, state: "open", verdict: null, revision: 0 } as Finding;
    const taught: string[] = [];
    const verdicts = new Verdicts({
      findings: { get: () => Promise.resolve(finding) },
      held: { of: () => null },
      policy: () => null,
      clock: { wall: () => one.time_ms, monotonic: () => 0 },
      facts: {
        registry: { finding: () => undefined },
        ledger: {
          inTurn: (_: string, turn: () => Promise<unknown>) => turn(),
          commit: ([{ value, by }]: [{ value: { teaches: unknown[] }; by: string }]) => {
            if (value.teaches.length > 0) taught.push(by);
            return Promise.resolve();
          },
        },
      } as never,
      recordsOf: () => Promise.resolve([{ ...first, outcome: null }]),
      actOf: () => ({ verb: "read", type: "invoice", id: "I-1", time_ms: one.time_ms }) as Act,
      limits: { approval_lasts_ms: 1000 },
    });
    for (const id of ["gateway-1", one.agent, "cyd", "corp:Cyd", "eve"])
      await verdicts.judge(finding.id, { state: "expected", reason: "r", seen: 1 }, 0, { id, roles: new Set() });
    return taught.join() === "eve" ? null : taught.join();
  },
  without: { "verdicts on one's own": [cut.returns("findings/verdicts.js", "isOwn", "false")] },
});
