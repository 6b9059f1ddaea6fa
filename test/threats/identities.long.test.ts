/** What is tried with who one is: another's id, another's strength, another enforcement point. */
import { isDeepStrictEqual } from "node:util";
import type { PolicyResult } from "../../src/contract/index.js";
import type { AgentProof, Identity, TokenSubject } from "../../src/decision/ports.js";
import { MemoryDisk } from "../../src/store/memory.js";
import { CALLER } from "../decision/world.js";
import { NOW } from "../facts/world.js";
import { TOKENS } from "../identity/forged.js";
import { NOW_S, identity } from "../identity/tokens.js";
import { Living, PURPOSES, TRUSTING, asking, type Outside } from "./living.js";
import { cut } from "./cut.js";
import { codeOf, numbers, threat, type Tree } from "./threat.js";

const STEPS = 10_000;
/** Ids that a person takes for one another. */
const FAMILIES = Array.from({ length: 100 }, (_, n) => {
  const rest = `${"abcdefghjk".charAt(n % 10)}${"abcdefghjk".charAt(Math.floor(n / 10))}`;
  return [`bot-1-${rest}`, `bot-l-${rest}`, `Bot-1-${rest}`, `bot-I-${rest}`, `b0t-1-${rest}`, `BOT-L-${rest.toUpperCase()}`];
});
const SUBJECTS = Array.from({ length: 8 }, (_, n) => `s-${n}`);
const subjectOf = (subject: string): TokenSubject => ({ issuer: "i", subject });

function proofOf(actor: string, chain: readonly string[], issued_ms: number, principal: string | null = null): string {
  return JSON.stringify({
    actor: subjectOf(actor),
    principal: principal === null ? null : subjectOf(principal),
    chain: chain.map(subjectOf),
    token: { jti: null, issued_ms, expires_ms: Infinity },
  } satisfies AgentProof).replace(/null}}$/, "9e15}}");
}

interface Held {
  owner: string;
  status: "active" | "suspended" | "revoked";
  subject: string | null;
  /** When it was given its credential. */
  since: number;
}

/** Whether a token acts that names an earlier actor whose credential is another agent's since it was issued. */
async function actsAfterItsEarlierActorChanged(tree: Tree): Promise<boolean> {
  const living = await Living.open(tree);
  const { commands } = living;
  const register = (id: string, subject: string): Promise<unknown> =>
    commands.createAgent({ id, owner: "o", purposes: ["support"], credentials: [subjectOf(subject)] }, "host");
  const acts = async (issued: number): Promise<boolean> => {
    const asked = { ...asking({ agent: "acting" }), agent_token: proofOf("s-acting", ["s-earlier"], issued) };
    return (await living.decide(asked)).answer.proceed;
  };
  await register("acting", "s-acting");
  living.timers.now += 1000;
  const before = living.clock.wall();
  living.timers.now += 1000;
  await register("earlier", "s-earlier");
  if (!(await acts(living.clock.wall()))) throw new Error("a token from after that doesn't act either");
  return acts(before);
}

threat("A7", "an id is one agent's for ever, and so is every token from before its credential was given on", {
  async check(tree) {
    if (await actsAfterItsEarlierActorChanged(tree)) return "a token from before its earlier actor was given the credential";
    const disk = new MemoryDisk();
    let living = await Living.open(tree, { disk });
    const below = numbers(77);
    const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
    const known = new Map<string, Held>();
    const families = new Map<string, number>(FAMILIES.flatMap((ids, n) => ids.map((id) => [id, n])));
    const revoked = new Set<string>();
    const tokens: { actor: string; earlier: string | null; issued: number; holders: (string | undefined)[] }[] = [];
    const holderOf = (subject: string): string | undefined =>
      [...known].find(([, held]) => held.status !== "revoked" && held.subject === subject)?.[0];
    const isWell = (id: string | undefined): boolean => {
      const held = id === undefined ? undefined : known.get(id);
      return held?.status === "active" && !revoked.has(held.owner);
    };
    const counts = { registered: 0, refused: 0, retired: 0, allowed: 0, denied: 0 };
    for (let step = 0; step < STEPS; step++) {
      living.timers.now += 1000;
      const { commands } = living;
      const now = living.clock.wall();
      const [owner, subject] = [`o-${below(4)}`, one(SUBJECTS)];
      const [id, held] = known.size === 0 ? ["", undefined] : one([...known]);
      switch (below(10)) {
        case 0:
        case 1: {
          // Of those that have been, mostly.
          const wanted = one(FAMILIES[below(Math.min(Math.ceil((step + 1) / 100), FAMILIES.length))] ?? []);
          const credentials = holderOf(subject) === undefined ? [subjectOf(subject)] : [];
          const asked = { id: wanted, owner, purposes: ["support"], credentials };
          let created = false as boolean;
          const said = await codeOf(async () => ({ created } = await commands.createAgent(asked, "host")));
          const other = [...known.keys()].find((before) => families.get(before) === families.get(wanted));
          if (other !== undefined && created) return `${wanted} is registered although ${other} was`;
          if (known.get(wanted)?.status === "revoked" && said === "accepted") return `${wanted} is back`;
          if (said !== "accepted") counts.refused++;
          if (!created) break;
          counts.registered++;
          known.set(wanted, { owner, status: "active", subject: credentials[0]?.subject ?? null, since: now });
          break;
        }
        case 2:
          if (held === undefined || below(8) > 0) break;
          await commands.changeAgent(id, { status: "revoked", reason: "r" }, null, "ops");
          held.status = "revoked";
          counts.retired++;
          break;
        case 3: {
          if (held === undefined || held.status === "revoked") break;
          const status = held.status === "active" ? "suspended" : "active";
          await commands.changeAgent(id, { status, reason: "r" }, null, "ops");
          held.status = status;
          break;
        }
        case 4:
          // One that is stopped keeps the credential that it has.
          if (held === undefined || holderOf(subject) !== undefined || (held.subject !== null && !isWell(id))) break;
          if (held.status === "revoked") break;
          await commands.changeAgent(id, { credentials: [subjectOf(subject)] }, commands.agent(id).revision, "host");
          Object.assign(held, { subject, since: now });
          break;
        case 5:
          if (held === undefined || below(4) > 0) break;
          if (revoked.delete(held.owner)) await commands.lift(`owner/${held.owner}`, { reason: "r" }, null, "ops");
          else {
            revoked.add(held.owner);
            await commands.revoke({ scope: { owner: held.owner }, reason: "r" }, "ops");
          }
          break;
        case 6: {
          const earlier = below(2) === 0 ? one(SUBJECTS) : null;
          tokens.push({ actor: subject, earlier, issued: now, holders: earlier === null ? [] : [holderOf(earlier)] });
          break;
        }
        default: {
          if (tokens.length === 0) break;
          const { actor, earlier, issued, holders } = one(tokens.slice(-60));
          const asked = below(3) > 0 ? (holderOf(actor) ?? id) : id;
          const agent_token = proofOf(actor, earlier === null ? [] : [earlier], issued);
          const { answer } = await living.decide({ ...asking({ agent: asked }), agent_token });
          if (!answer.proceed) {
            counts.denied++;
            break;
          }
          counts.allowed++;
          const by = known.get(asked);
          const told = `${asked} acts with ${actor}'s token of step ${(issued - NOW) / 1000}, at ${step}`;
          if (!isWell(asked)) return `${told}: it is stopped`;
          if (by?.subject !== actor) return `${told}: it doesn't have that credential`;
          if (issued < by.since) return `${told}: it was given the credential since`;
          for (const holder of holders)
            if (holder !== undefined && !isWell(holder)) return `${told}: the earlier actor ${holder} is stopped`;
        }
      }
      if (step % 2500 === 2499) {
        const { now: elapsed } = living.timers;
        living = await Living.open(tree, { disk });
        living.timers.now = elapsed;
      }
    }
    if (Object.values(counts).some((count) => count < 50)) throw new Error(JSON.stringify(counts));
    return null;
  },
  // prettier-ignore
  without: {
    "ids being used once": [cut.refusal("facts/agents.js", "checkNewAgent", "agent_id_used")],
    "look-alikes being refused": [cut.refusal("facts/agents.js", "checkNewAgent", "agent_id_similar")],
    "case counting for nothing": [cut.skip("contract/similar.js", "drawn", "toLowerCase"), cut.never("contract/similar.js", "areSimilar", "toLowerCase")],
    "the age of a token": [cut.never("decision/floor.js", "isOlderThanItsAgent", "registered_ms")],
    "a credential being new to who gains it": [cut.never("facts/agents.js", "checkChangedAgent", "gains")],
    "owners' revocations": [cut.never("decision/gather.js", "revocation", "owner")],
    "former agents among earlier actors": [cut.text("facts/registry.js", "agentOf", "?? this.#former.get(issuer)?.get(subject)", "")],
    "the age of a token for earlier actors": [cut.never("decision/gather.js", "isAnyStopped", "token")],
  },
});

/** Every set of purposes, for agents of either strength. */
const KINDS = Array.from({ length: 16 }, (_, n) => ({
  id: `k-${n}`,
  purposes: PURPOSES.filter((_purpose, bit) => (n >> bit) & 1),
  tier: n < 8 ? 1 : 2,
}));
type Kind = (typeof KINDS)[number];

/** The strong may change things, others may read. */
const byTier: NonNullable<Outside["policy"]> = ({ request, facts }) =>
  permittedIf(request.verb === "read" || facts.agent.attributes["tier"] === 2);

function permittedIf(permitted: boolean): PolicyResult {
  const reason = permitted
    ? ({ effect: "allow", code: "read_own", severity: "info", params: {} } as const)
    : ({ effect: "deny", code: "not_permitted", severity: "medium", params: {} } as const);
  return { decision: reason.effect, proceed: permitted, reasons: [reason], obligations: [] };
}

interface Recorded {
  caller: string;
  proof?: AgentProof;
  input?: { request: { agent: string }; facts: { caller: { id: string }; principal: string | null } };
  request?: { agent: string };
  answer: { proceed: boolean };
}

/** Whether what is permitted for a person is permitted on a task that names nobody, handed on to an agent with a token of that person's. */
async function gainsAPersonByHandingOn(tree: Tree): Promise<boolean> {
  const living = await Living.open(tree, { policy: ({ facts }) => permittedIf(facts.principal === "ada") });
  const { commands } = living;
  const agent = { owner: "o", purposes: ["support"], delegates: ["support"] };
  await commands.createAgent({ ...agent, id: "giver" }, "host");
  await commands.createAgent({ ...agent, id: "taker", credentials: [subjectOf("taker")] }, "host");
  const acts = async (named: { principal?: string }): Promise<boolean> => {
    const [parent, id] = [`T-${living.records.length}`, `T-${living.records.length}-1`];
    const expires = new Date(living.clock.wall() + 3_600_000).toISOString();
    await commands.createTask({ id: parent, agent: "giver", purpose: "support", expires, ...named }, "host");
    await commands.createTask({ id, agent: "taker", purpose: "support", expires, parent }, "host");
    const agent_token = proofOf("taker", [], living.clock.wall(), "ada");
    return (await living.decide({ ...asking({ agent: "taker", task: id }), agent_token })).answer.proceed;
  };
  if (!(await acts({ principal: "ada" }))) throw new Error("not even on a task for that person");
  return acts({});
}

threat("A12", "who acts for another may do what both may, and it is on record for whom", {
  async check(tree) {
    if (await gainsAPersonByHandingOn(tree)) return "an agent acts for a person whom only its delegate's token names";
    const callers: Identity = { ...TRUSTING, authenticate: (id = "") => ({ ...CALLER, id }) };
    const disk = new MemoryDisk();
    const plant = (key: string, value: object): void => {
      disk.rows.push({
        revision: disk.rows.length + 1,
        key,
        value: JSON.stringify(value),
        by: "host",
        time: new Date(NOW).toISOString(),
        reason: null,
        change: "planted",
      });
    };
    const registered = new Date(NOW).toISOString();
    for (const { id, purposes, tier } of KINDS)
      plant(`agent/${id}`, {
        id,
        version: "1",
        name: null,
        owner: "o",
        purposes,
        delegates: purposes,
        attributes: { tier },
        credentials: [{ issuer: "i", subject: id }],
        token: "optional",
        status: "active",
        registered,
        bound: registered,
      });
    const task = (id: string, agent: string, purpose: string, parent: string | null): void => {
      plant(`task/${id}`, {
        id,
        agent,
        purpose,
        parent,
        principal: "ada",
        subjects: {},
        attributes: {},
        verbs: null,
        expires: null,
        ended: null,
      });
    };
    for (const purpose of PURPOSES)
      for (const { id } of KINDS) {
        task(`T-${id}-${purpose}`, id, purpose, null);
        for (const other of KINDS) task(`T-${id}-${other.id}-${purpose}`, other.id, purpose, `T-${id}-${purpose}`);
      }
    const living = await Living.open(tree, { disk, policy: byTier, identity: () => callers });
    const mayAct = (kind: Kind, purpose: string): boolean => kind.purposes.some((one) => one === purpose);
    const may = (kind: Kind, purpose: string, verb: string): boolean => mayAct(kind, purpose) && (verb === "read" || kind.tier === 2);
    const token = (actor: string, chain: string[], principal: string): object => ({ agent_token: proofOf(actor, chain, NOW, principal) });
    const use = { token: { jti: null, issued_ms: NOW, expires_ms: 9e15 } };
    const allowed: Record<string, number> = {};
    for (const a of KINDS)
      for (const b of KINDS)
        for (const purpose of PURPOSES)
          for (const verb of ["read", "update"]) {
            const own = asking({ agent: a.id, purpose, verb });
            const both = may(a, purpose, verb) && may(b, purpose, verb);
            const same = a.id === b.id;
            const taskOf = (of: string): string => `T-${of}-${purpose}`;
            const taskToken = (agent: string): string => JSON.stringify({ task: taskOf(b.id), agent, purpose, ...use });
            const ways: [way: string, asked: object, rightful: boolean, caller?: string][] = [
              ["a task that the other handed on", { ...own, task: `T-${b.id}-${a.id}-${purpose}` }, both],
              ["the other's task", { ...own, task: taskOf(b.id) }, same && both],
              ["the other's task token", { ...own, task_token: taskToken(b.id) }, same && both],
              ["the other's task in a token of its own", { ...own, task_token: taskToken(a.id) }, same && both],
              ["the other's token", { ...own, ...token(b.id, [], "ada") }, same && both],
              ["the other as earlier actor", { ...own, ...token(a.id, [b.id], "ada") }, may(a, purpose, verb) && mayAct(b, purpose)],
              ["the other earlier still", { ...own, ...token(a.id, ["x", b.id], "ada") }, may(a, purpose, verb) && mayAct(b, purpose)],
              ["the other as whom it acts for", { ...own, ...token(a.id, [], b.id) }, may(a, purpose, verb) && mayAct(b, purpose)],
              ["another person's token on a task", { ...own, task: taskOf(a.id), ...token(a.id, [], "bob") }, false],
              ["the other as its caller", own, may(a, purpose, verb), b.id],
            ];
            for (const [way, asked, rightful, caller = "gateway-1"] of ways) {
              living.records.length = 0;
              const { answer } = await living.decide(asked, caller);
              const told = `${a.id} with ${b.id}, ${verb} for ${purpose}, ${way}`;
              if (answer.proceed && !rightful) return `allowed: ${told}`;
              if (answer.proceed) allowed[way] = (allowed[way] ?? 0) + 1;
              const record = JSON.parse(living.records[0] ?? "{}") as Recorded;
              if (record.caller !== caller || (record.input ?? record).request?.agent !== a.id)
                return `who asked, or who acted, isn't on record: ${told}`;
              const given = (asked as { agent_token?: string }).agent_token;
              if (given !== undefined && !isDeepStrictEqual(record.proof, JSON.parse(given))) return `for whom isn't on record: ${told}`;
              if (record.input !== undefined && given !== undefined && record.input.facts.principal !== record.proof?.principal?.subject)
                return `the policy isn't told for whom: ${told}`;
            }
          }
    if (Object.values(allowed).filter((count) => count >= 10).length !== 9) throw new Error(JSON.stringify(allowed));
    return null;
  },
  // prettier-ignore
  without: {
    "every task of the chain being asked about": [cut.never("decision/gather.js", "gather", "parent")],
    "the strictest of them holding": [cut.call("decision/attempt.js", "attempter", "conclude", "conclude(results.slice(0, 1), question.policy)")],
    "a task being its agent's": [cut.row("decision/floor.js", "FLOOR", "task_of_another_agent")],
    "a token being its agent's": [cut.row("decision/floor.js", "FLOOR", "agent_token_mismatch")],
    "whom it acts for only narrowing": [cut.value("decision/gather.js", "isAnyStopped", "others", "chain")],
    "earlier actors only narrowing": [cut.never("decision/gather.js", "isAnyStopped", "purposes")],
    "a token's person being the acting agent's alone": [
      cut.text("decision/gather.js", "inputText", "principalOf(situation)", "principalOf({ ...situation, agent_proof: levels[0].situation.agent_proof })"),
    ],
    "one person at a time": [cut.row("decision/floor.js", "FLOOR", "principal_mismatch")],
    "the proof on record": [cut.value("decision/record.js", "recordText", "proof", "\"\"")],
  },
});

const AGENTS = ["a-1", "a-2", "a-3", "a-4"];
const RIGHTS: Record<string, { agents?: string[]; purposes?: string[] }> = {
  everyone: {},
  first: { agents: ["a-1"] },
  pair: { agents: ["a-2", "a-3"] },
  audits: { purposes: ["audit"] },
  both: { agents: ["a-1", "a-2"], purposes: ["support", "audit"] },
  nobody: { agents: [] },
  nothing: { purposes: [] },
  "a-4": { agents: ["a-3"] },
};
/** Not named, or not quite. */
const STRANGERS = ["stranger", "constructor", "__proto__", "First", "first:"];

threat("B2", "an enforcement point speaks for the agents and purposes that it is given, and is on record", {
  async check(tree) {
    const builds = { ...(await tree("identity/jwt.js")), ...(await tree("identity/task_tokens.js")) };
    const living = await Living.open(tree, { identity: (clock) => identity({ callers: RIGHTS }, clock, builds) });
    living.timers.now = NOW_S * 1000 - NOW;
    for (const id of AGENTS) await living.commands.createAgent({ id, owner: "o", purposes: [...PURPOSES] }, "host");
    const all = AGENTS.flatMap((agent) => PURPOSES.map((purpose) => ({ agent, purpose })));
    let allowed = 0;
    for (const caller of [...Object.keys(RIGHTS), ...STRANGERS]) {
      const token = `Bearer ${TOKENS.caller.token({ sub: caller })}`;
      living.records.length = 0;
      const answers = [];
      for (const one of all) answers.push((await living.decide(asking(one), token)).answer);
      answers.push(...(await living.batch(all.map(asking), token)).map(({ answer }) => answer));
      for (const [i, { proceed, reasons }] of answers.entries()) {
        const { agent = "", purpose = "" } = all[i % all.length] ?? {};
        const rights = Object.hasOwn(RIGHTS, caller) ? RIGHTS[caller] : undefined;
        const rightful =
          rights !== undefined && (rights.agents ?? [agent]).includes(agent) && (rights.purposes ?? [purpose]).includes(purpose);
        const said = proceed ? "allow" : reasons[0]?.code;
        if (said !== (rightful ? "allow" : "caller_not_permitted")) return `${caller}, ${agent}, ${purpose}: ${String(said)}`;
        if (proceed) allowed++;
        const record = JSON.parse(living.records[i] ?? "{}") as Recorded;
        if (record.caller !== caller || (record.input ?? record).request?.agent !== agent) return `not on record: ${caller}, ${agent}`;
      }
    }
    if (allowed < 50) throw new Error(`only ${allowed} were allowed`);
    return null;
  },
  without: {
    "the floor asking for it": [cut.row("decision/floor.js", "FLOOR", "caller_not_permitted")],
    "its agents": [cut.always("identity/jwt.js", "mayAskFor", "agents")],
    "its purposes": [cut.always("identity/jwt.js", "mayAskFor", "purposes")],
    "those that aren't named being refused": [cut.text("identity/jwt.js", "rightsOf", "?? NONE", "?? ANY")],
    "the caller on record": [cut.value("decision/record.js", "recordText", "caller", '`"caller":"gateway",`')],
  },
});
