/** What agents hand on to one another: trees of tasks, good and bad, held against a model of what a chain may do. */
import { MemoryDisk } from "../../src/store/memory.js";
import { HOUR_MS, LIMITS, NOW } from "../facts/world.js";
import { Living, PURPOSES, asking, ownCustomer } from "./living.js";
import { cut } from "./cut.js";
import { codeOf, numbers, threat } from "./threat.js";

const TREES = 10_000;
const TREES_AT_ONCE = 250;
const CUSTOMERS = ["ada", "bob", "cleo"];
const VERBS = ["read", "update", "search"];
/** As many tasks as a chain may ever have. */
const CHAIN_MAX = 32;

interface Work {
  agent: string;
  purpose: string;
  parent: string | null;
  customers: string[];
  verbs: string[] | null;
  expires: number | null;
  ended: boolean;
  revoked: boolean;
}

interface Worker {
  owner: string;
  purposes: string[];
  delegates: string[];
  status: "active" | "suspended" | "revoked";
  revoked: boolean;
}

/** What may be done, and handed on, written a second time and plainly. */
class Model {
  readonly tasks = new Map<string, Work>();
  readonly workers = new Map<string, Worker>();
  readonly owners = new Set<string>();

  /** From a task up to its root; null where it doesn't come to one. */
  chain(id: string): Work[] | null {
    const chain: Work[] = [];
    for (let at: string | null = id; at !== null; at = chain.at(-1)?.parent ?? null) {
      const work = this.tasks.get(at);
      if (work === undefined || chain.length === CHAIN_MAX) return null;
      chain.push(work);
    }
    return chain;
  }

  works(agent: string, purpose: string): boolean {
    const worker = this.workers.get(agent);
    if (worker === undefined || worker.status !== "active" || worker.revoked) return false;
    return !this.owners.has(worker.owner) && worker.purposes.includes(purpose);
  }

  isLive = (work: Work, now: number): boolean => !work.ended && !work.revoked && (work.expires === null || now < work.expires);

  may(agent: string, id: string, purpose: string, verb: string, customer: string, now: number): boolean {
    const chain = this.chain(id);
    if (chain?.[0]?.agent !== agent) return false;
    return chain.every(
      (work) =>
        this.isLive(work, now) &&
        work.purpose === purpose &&
        this.works(work.agent, purpose) &&
        work.verbs?.includes(verb) !== false &&
        work.customers.includes(customer),
    );
  }

  mayHandOn(to: Work, now: number): boolean {
    const chain = this.chain(to.parent ?? "");
    const [parent, holder] = [chain?.[0], this.workers.get(to.agent)];
    const giver = this.workers.get(parent?.agent ?? "");
    if (chain === null || parent === undefined || giver === undefined || holder === undefined) return false;
    return (
      chain.every((work) => this.isLive(work, now)) &&
      chain.length <= LIMITS.task_depth_max &&
      to.purpose === parent.purpose &&
      giver.status === "active" &&
      !giver.revoked &&
      giver.delegates.includes(to.purpose) &&
      holder.status !== "revoked" &&
      holder.purposes.includes(to.purpose) &&
      to.customers.every((one) => parent.customers.includes(one)) &&
      (to.verbs ?? []).every((one) => parent.verbs?.includes(one) !== false) &&
      (parent.expires === null || (to.expires ?? 0) <= parent.expires)
    );
  }
}

threat("A9", "what is handed on is within what there was, when it is handed on and whenever it is used", {
  async check(tree) {
    const below = numbers(9);
    const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
    const some = <T>(of: readonly T[]): T[] => of.filter(() => below(4) > 0);
    const counts = { allowed: 0, denied: 0, handed_on: 0, refused: 0 };

    const draw = (agent: string, parent: string | null, above: Work | undefined, start: number): Work => {
      const bad = below(12);
      return {
        agent,
        purpose: above === undefined || bad === 0 ? one(PURPOSES) : above.purpose,
        parent,
        customers: above === undefined || bad === 1 ? some(CUSTOMERS) : some(above.customers),
        verbs: below(3) > 0 ? null : some(bad === 2 ? VERBS : (above?.verbs ?? VERBS)),
        expires: start + (1 + below(bad === 3 ? 50 : 50 - (above === undefined ? 0 : 20))) * 60_000,
        ended: false,
        revoked: false,
      };
    };

    /** Some of them as no host would be let create them: wider, hopping, in a circle, without a beginning, without end. */
    function plant(model: Model, disk: MemoryDisk, from: number): void {
      const put = (key: string, value: object): void => {
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
      for (let n = 0; n < 8; n++) {
        const worker: Worker = {
          owner: `o-${n % 4}`,
          purposes: some(PURPOSES),
          delegates: some(PURPOSES),
          status: "active",
          revoked: false,
        };
        model.workers.set(`w-${n}`, worker);
        const { owner, purposes, delegates, status } = worker;
        put(`agent/w-${n}`, {
          id: `w-${n}`,
          version: "1",
          name: null,
          owner,
          purposes,
          delegates,
          attributes: {},
          credentials: [],
          token: "optional",
          status,
          registered,
          bound: registered,
        });
      }
      for (let tree = from; tree < from + TREES_AT_ONCE; tree++) {
        const size = tree === from ? CHAIN_MAX + 8 : 1 + below(6);
        for (let n = 0; n < size; n++) {
          const above = n === 0 ? null : tree === from ? n - 1 : below(n);
          const odd = below(40);
          const parent = odd === 0 ? `T-${tree}-${below(size)}` : odd === 1 ? "T-none" : above === null ? null : `T-${tree}-${above}`;
          const work = draw(`w-${below(8)}`, parent, model.tasks.get(`T-${tree}-${above ?? ""}`), NOW);
          model.tasks.set(`T-${tree}-${n}`, work);
        }
        for (let n = 0; n < size; n++) {
          const { agent, purpose, parent, customers, verbs, expires } = model.tasks.get(`T-${tree}-${n}`) as Work;
          put(`task/T-${tree}-${n}`, {
            id: `T-${tree}-${n}`,
            agent,
            purpose,
            parent,
            principal: null,
            subjects: { customer: customers },
            attributes: {},
            verbs,
            expires: new Date(expires ?? 0).toISOString(),
            ended: null,
          });
        }
      }
    }

    async function handOn(living: Living, model: Model): Promise<string | null> {
      const now = living.clock.wall();
      const asked = [...model.tasks.keys()].flatMap((parent, n): [string, Work][] =>
        below(3) > 0 ? [] : [[`H-${n}`, draw(one([...model.workers.keys()]), parent, model.tasks.get(parent), now)]],
      );
      const said = asked.map(([id, { agent, purpose, parent, customers, verbs, expires }]) =>
        codeOf(() =>
          living.commands.createTask(
            {
              id,
              agent,
              purpose,
              parent,
              subjects: { customer: customers },
              ...(verbs === null ? {} : { verbs }),
              expires: new Date(expires ?? 0).toISOString(),
            },
            "host",
          ),
        ),
      );
      for (const [n, code] of (await Promise.all(said)).entries()) {
        const [id, work] = asked[n] as [string, Work];
        const rightful = model.mayHandOn(work, now);
        if (rightful !== (code === "accepted"))
          return `${code}, handing on ${JSON.stringify(work)} below ${JSON.stringify(model.chain(work.parent ?? ""))}`;
        if (rightful) counts.handed_on++;
        else counts.refused++;
        // What isn't said is the parent's.
        const { verbs = null } = model.tasks.get(work.parent ?? "") ?? {};
        if (rightful) model.tasks.set(id, { ...work, verbs: work.verbs ?? verbs });
      }
      return null;
    }

    async function stop({ commands }: Living, model: Model, rate: number): Promise<void> {
      const reason = "r";
      const stops: Promise<unknown>[] = [];
      for (const [id, work] of model.tasks) {
        const what = below(100);
        if (what < rate) {
          work.ended = true;
          stops.push(commands.changeTask(id, { ended: true, reason }, null, "host"));
        } else if (what < 2 * rate) {
          work.revoked = !work.revoked;
          stops.push(
            work.revoked ? commands.revoke({ scope: { task: id }, reason }, "ops") : commands.lift(`task/${id}`, { reason }, null, "ops"),
          );
        }
      }
      for (const [id, worker] of model.workers) {
        const what = below(24);
        if (what === 0) {
          worker.revoked = !worker.revoked;
          stops.push(
            worker.revoked
              ? commands.revoke({ scope: { agent: id }, reason }, "ops")
              : commands.lift(`agent/${id}`, { reason }, null, "ops"),
          );
        } else if (what === 1 && worker.status !== "revoked") {
          worker.status = one(["suspended", "revoked", "active"] as const);
          stops.push(commands.changeAgent(id, { status: worker.status, reason }, null, "ops"));
        } else if (what === 2 && model.owners.size === 0) {
          model.owners.add(worker.owner);
          stops.push(commands.revoke({ scope: { owner: worker.owner }, reason }, "ops"));
        }
      }
      await Promise.all(stops);
    }

    async function decide(living: Living, model: Model): Promise<string | null> {
      for (const [id, work] of model.tasks) {
        if (below(2) > 0) continue;
        const odd = below(16);
        const agent = odd === 0 ? one([...model.workers.keys()]) : work.agent;
        const purpose = odd === 1 ? one(PURPOSES) : work.purpose;
        const [verb, customer] = [below(3) > 0 ? "read" : "update", one(CUSTOMERS)];
        const { answer } = await living.decide(asking({ agent, task: id, purpose, verb, customer }));
        living.records.length = 0;
        const rightful = model.may(agent, id, purpose, verb, customer, living.clock.wall());
        if (rightful !== answer.proceed)
          return `${answer.decision} ${String(answer.reasons[0]?.code)}: ${agent} ${verb} ${customer} for ${purpose} on ${JSON.stringify(model.chain(id))}`;
        if (rightful) counts.allowed++;
        else counts.denied++;
      }
      return null;
    }

    for (let from = 0; from < TREES; from += TREES_AT_ONCE) {
      const [model, disk] = [new Model(), new MemoryDisk()];
      plant(model, disk, from);
      const living = await Living.open(tree, { disk, policy: ownCustomer });
      for (const rate of [3, 10]) {
        await stop(living, model, rate);
        const found = (rate === 3 ? await handOn(living, model) : null) ?? (await decide(living, model));
        if (found !== null) return found;
        living.timers.now += below(HOUR_MS / 3);
      }
    }
    if (Object.values(counts).some((count) => count < 1000)) throw new Error(JSON.stringify(counts));
    return null;
  },
  // prettier-ignore
  without: {
    "the tasks above being asked about": [cut.never("decision/gather.js", "gather", "parent")],
    "the strictest of them holding": [cut.call("decision/attempt.js", "attempter", "conclude", "conclude(results.slice(0, 1), question.policy)")],
    "what revokes a task above": [cut.row("decision/floor.js", "FLOOR", "task_revoked")],
    "what ends a task above": [cut.row("decision/floor.js", "FLOOR", "task_ended")],
    "what a task's expiry ends": [cut.row("decision/floor.js", "FLOOR", "task_expired")],
    "what stops an agent above": [cut.never("decision/gather.js", "revocation", "agentId")],
    "an agent above being active": [cut.row("decision/floor.js", "FLOOR", "agent_suspended")],
    "an agent above being registered": [cut.row("decision/floor.js", "FLOOR", "purpose_not_registered")],
    "one purpose for the chain": [cut.row("decision/floor.js", "FLOOR", "task_of_another_purpose")],
    "the verbs of each": [cut.row("decision/floor.js", "FLOOR", "verb_not_in_task")],
    "an end to a circle": [cut.condition("decision/gather.js", "gather", "parent", "task.parent !== null && levels.length < TASK_LEVELS_MAX")],
    "subjects being the parent's": [cut.call("facts/tasks.js", "checkHandedOn", "widerSubject", "null")],
    "verbs being the parent's": [cut.never("facts/tasks.js", "checkHandedOn", "verb")],
    "an expiry within the parent's": [cut.never("facts/tasks.js", "checkHandedOn", "Date")],
    "a purpose that is the parent's": [cut.never("facts/tasks.js", "checkHandedOn", "purpose", "parent")],
    "a bound of depth": [cut.refusal("facts/tasks.js", "checkHandedOn", "task_depth_max")],
    "the right to hand on": [cut.refusal("facts/tasks.js", "checkHandedOn", "delegation_not_permitted")],
    "a parent that is live": [cut.never("facts/tasks.js", "isChainLive", "isLive"), cut.never("facts/tasks.js", "isChainLive", "revoked")],
  },
});
