/** Whatever fails, nobody is told to go on. */
import { configReference } from "../../scripts/config_reference.js";
import { Problem, type PolicyResult } from "../../src/contract/index.js";
import type { ActivePolicy, Evaluation } from "../../src/decision/ports.js";
import { AGENT, ALLOWED, NOW, REQUEST, TASK, World, policyOf } from "../decision/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const broken = (): never => {
  throw new Error("broken");
};
const answers = (evaluate: () => Evaluation): ActivePolicy => ({ ...policyOf(() => ALLOWED), evaluate });
const result = (changes: object): ActivePolicy => policyOf(() => ({ ...ALLOWED, ...changes }));
const reason = (changes: object): ActivePolicy => result({ reasons: [{ ...ALLOWED.reasons[0], ...changes }] });
const deny: PolicyResult["reasons"][number] = { effect: "deny", code: "read_only", severity: "high", params: {} };
const flag: PolicyResult["reasons"][number] = { effect: "flag", code: "unrelated", severity: "high", params: {} };
const set = (changes: Partial<World>) => (world: World) => Object.assign(world, changes);

/** Everything that can go wrong around and in a decision that would otherwise be an allow. */
// prettier-ignore
const FAULTS: readonly [what: string, (world: World) => unknown][] = [
  ["no bundle", set({ active: null })],
  ["an expired bundle", set({ active: { ...policyOf(() => ALLOWED), expires_ms: NOW } })],
  ["an evaluation that fails", set({ active: answers(() => ({ ok: false, code: "evaluation_failed", detail: "" })) })],
  ["an evaluation that is stopped", set({ active: answers(() => ({ ok: false, code: "evaluation_budget", detail: "" })) })],
  ["an evaluation that throws", set({ active: answers(broken) })],
  ["an evaluation that is a promise", set({ active: answers(() => Promise.resolve({ ok: true, result: ALLOWED, fuel: 0 }) as never) })],
  ["an evaluation of nothing", set({ active: answers(() => undefined as never) })],
  ...[null, true, "allow", 1, [], {}, [ALLOWED], { result: ALLOWED }].map((value): [string, (world: World) => unknown] => [`the result ${JSON.stringify(value).slice(0, 30)}`, set({ active: policyOf(() => value) })]),
  ["a result without reasons", set({ active: result({ reasons: [] }) })],
  ["a result of another decision", set({ active: result({ decision: "permit" }) })],
  ["a result with a member more", set({ active: result({ admin: true }) })],
  ["`proceed` as text", set({ active: result({ proceed: "true" }) })],
  ["an allow beside a deny", set({ active: result({ reasons: [...ALLOWED.reasons, deny] }) })],
  ["an allow beside a flag that waits", set({ active: result({ reasons: [...ALLOWED.reasons, { ...flag, proceed: false }] }) })],
  ["a deny that proceeds", set({ active: result({ decision: "deny", reasons: [deny] }) })],
  ["a flag that waits and proceeds", set({ active: result({ decision: "flag", reasons: [{ ...flag, proceed: false }] }) })],
  ["a flag that lacks what it needs", set({ active: result({ decision: "flag", reasons: [{ ...flag, proceed: true, needs: ["x"] }] }) })],
  ["an allow for a reason that nobody wrote", set({ active: reason({ code: "invented" }) })],
  ["an allow for an inherited name", set({ active: reason({ code: "constructor" }) })],
  ["an allow for a reason to deny", set({ active: reason({ code: "read_only" }) })],
  ["an allow that only logs", set({ active: reason({ effect: "log", code: "odd_hour" }) })],
  ["obligations that contradict", set({ active: result({ obligations: [1, 2].map((value) => ({ type: "modify", argument: "note", value })) }) })],
  ["an obligation of no kind", set({ active: result({ obligations: [{ type: "nothing" }] }) })],
  ["stale facts", set({ stale: true })],
  ["an agent that is gone", set({ agents: new Map() })],
  ["a revoked agent", (world) => world.agents.set(AGENT.id, { ...AGENT, status: "revoked" })],
  ["an agent of a status to come", (world) => world.agents.set(AGENT.id, { ...AGENT, status: "retired" as never })],
  ["a task that is gone", set({ tasks: new Map() })],
  ["a task that has ended", (world) => world.tasks.set(TASK.id, { ...TASK, ended: true })],
  ["facts that throw", (world) => (world.agents.get = broken)],
  ["facts of the past", set({ revision: 6 })],
  ["a token that doesn't hold", set({ authenticate: () => { throw new Problem("token_invalid"); } })],
  ["an identity that throws", set({ authenticate: broken })],
  ["a caller that may not ask", set({ permitted: false })],
  ["a disk that is full", set({ append: () => Promise.reject(new Problem("log_unavailable")) })],
  ["a log that can't follow", set({ append: () => Promise.reject(new Problem("log_backlog")) })],
  ["a log that throws", set({ append: broken })],
  ["a log that rejects", set({ append: () => Promise.reject(new Error("EIO")) })],
  ["a clock that jumps past the end", (world) => (world.tasks.set(TASK.id, { ...TASK, expires_ms: NOW + 1 }), (world.now_ms = NOW + 3_600_000))],
];

/** Words by which an option to answer without deciding would go. */
const FAIL_OPEN = /fail[_-]?open|allow[_-]?(all|by|on)|on_error|default_decision|skip|insecure|disable|no_verify|unsigned/i;

threat("G4", "no answer says go on where anything failed, and no option makes it", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const good = new World(decider);
    if (!(await good.decide({ ...REQUEST, at_least: 7 })).answer.proceed) return "nothing failed, and it was refused";
    for (const [what, breakIt] of FAULTS) {
      const ways: Record<string, (world: World) => Promise<{ answer: { proceed: boolean } }[]>> = {
        "/decide": async (world) => [await world.decide({ ...REQUEST, at_least: 7 })],
        "/decide/batch": (world) => world.batch([{ ...REQUEST, at_least: 7 }]),
        "an action that was observed": async (world) => [{ answer: await world.observe({ ...REQUEST, at_least: 7 }) }],
      };
      for (const [way, ask] of Object.entries(ways)) {
        const world = new World(decider);
        breakIt(world);
        // The third is for a caller already proven.
        if (way.startsWith("an") && /token|identity/.test(what)) continue;
        const decided = await ask(world).catch(() => []);
        if (decided.some(({ answer }) => answer.proceed)) return `${what}: ${way} proceeds`;
      }
    }
    const option = FAIL_OPEN.exec(configReference());
    return option === null ? null : `the configuration has ${option[0]}`;
  },
  without: {
    "the result's shape": [cut.never("decision/conclude.js", "verdictOf", "validResult")],
    "the result's logic": [cut.never("decision/conclude.js", "verdictOf", "isSound")],
    "failures being denies": [
      cut.call(
        "decision/conclude.js",
        "conclude",
        ["deny", "evaluation"],
        '{ decision: "allow", proceed: true, reasons: [], obligations: [], wait: null }',
      ),
    ],
    "the disk being waited for": [
      cut.call("decision/commit.js", "Committer.commit", "log.append", "log.append(before, after, beside).catch(() => undefined)"),
    ],
    "the bundle's expiry": [cut.refusal("decision/intake.js", "activePolicy", "bundle_expired")],
    "facts being fresh": [cut.row("decision/floor.js", "FLOOR", "facts_stale")],
    "facts being as new as asked": [cut.value("decision/intake.js", "askerOf", "isKnown", "action.agent_token === null")],
  },
});
