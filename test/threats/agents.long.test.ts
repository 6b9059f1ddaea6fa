/** What a rogue agent tries: another purpose, another time, another spelling. */
import { readFile } from "node:fs/promises";
import { readUnverified } from "../../src/bundle/verify.js";
import type { PolicyResult } from "../../src/contract/index.js";
import type { ActivePolicy, Agent, Task } from "../../src/decision/ports.js";
import { asset } from "../../src/system/paths.js";
import { AGENT, ALLOWED, NOW, PURPOSE, REQUEST, TASK, World, policyOf } from "../decision/world.js";
import { READERS, names, paths } from "./spellings.js";
import { cut } from "./cut.js";
import { codeIn, numbers, threat, type Tree } from "./threat.js";

async function worldOf(tree: Tree): Promise<World> {
  return new World((await tree("decision/decide.js")).decider);
}

const SHIPPED = ["customer_support", "retail"];
const GENERATED = 100_000;

async function shippedPurposes(): Promise<string[]> {
  const bundles = SHIPPED.map(async (name) => readUnverified(await readFile(asset("bundles", `${name}.tar.gz`))));
  return (await Promise.all(bundles)).flatMap(({ data }) => Object.keys(data.purposes));
}

/** A policy that allows whatever it is asked about: what refuses is the floor alone. */
function allowing(purposes: readonly string[]): ActivePolicy {
  return {
    ...policyOf(() => ALLOWED),
    purposes: new Map(purposes.map((id) => [id, { ...PURPOSE, task: "optional" as const }])),
    evaluate: () => ({ ok: true, result: ALLOWED, fuel: 0 }),
  };
}

threat("A1", "a purpose is one of the agent's registered ones and the task's own; else a deny on record", {
  async check(tree) {
    const world = await worldOf(tree);
    const purposes = [...(await shippedPurposes()), "p-0", "p-1", "p-2", "p-3", "p-4"];
    const unknown = ["", "constructor", "__proto__", "P-0"];
    const agents = Array.from({ length: 64 }, (_, n): Agent => {
      const registered = purposes.filter((_purpose, bit) => (n >> (bit % 6)) & 1);
      return { ...AGENT, id: `a-${n}`, purposes: new Set(registered) };
    });
    const tasks = agents.flatMap((agent) =>
      [...agent.purposes].map((purpose): Task => ({ ...TASK, id: `T-${agent.id}-${purpose}`, agent: agent.id, purpose })),
    );
    world.active = allowing(purposes);
    world.agents = new Map(agents.map((agent) => [agent.id, agent]));
    world.tasks = new Map(tasks.map((task) => [task.id, task]));
    let allowed = 0;
    const ask = async (agent: Agent, purpose: string, task: Task | undefined): Promise<string | null> => {
      const rightful = agent.purposes.has(purpose) && (task === undefined || (task.agent === agent.id && task.purpose === purpose));
      const told = `agent ${agent.id}, purpose ${purpose}, task ${task?.id ?? "none"}`;
      try {
        const { answer } = await world.decide({ ...REQUEST, agent: agent.id, purpose, task: task?.id });
        if (answer.proceed) allowed++;
        if (answer.proceed && !rightful) return `allowed: ${told}`;
        if (world.records.length !== 1) return `not on record: ${told}`;
      } catch (error) {
        // A name that no purpose can have is a problem, and nobody decides.
        if (purposes.includes(purpose)) throw error;
      }
      world.records.length = 0;
      return null;
    };
    for (const agent of agents)
      for (const purpose of [...purposes, ...unknown]) {
        const found = await ask(agent, purpose, undefined);
        if (found !== null) return found;
      }
    const below = numbers(1);
    const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
    for (let n = 0; n < GENERATED; n++) {
      const task = below(4) === 0 ? undefined : one(tasks);
      const agent = task !== undefined && below(2) === 0 ? (world.agents.get(task.agent) ?? one(agents)) : one(agents);
      const purpose = task !== undefined && below(2) === 0 ? task.purpose : one(purposes);
      const found = await ask(agent, purpose, task);
      if (found !== null) return found;
    }
    if (allowed < 1000) throw new Error(`only ${allowed} of those that are rightful were allowed`);
    return null;
  },
  without: {
    "the agent's set": [cut.row("decision/floor.js", "FLOOR", "purpose_not_registered")],
    "the task's agent": [cut.row("decision/floor.js", "FLOOR", "task_of_another_agent")],
    "the task's purpose": [cut.row("decision/floor.js", "FLOOR", "task_of_another_purpose")],
  },
});

const HOUR_MS = 3_600_000;
const ZONE = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** From nine to five in Berlin. */
function open(ms: number): boolean {
  const time = ZONE.format(ms);
  return time >= "09:00" && time < "17:00";
}

/** A claim as RFC 3339 text, in an offset of its own. */
function spelled(ms: number, offset_h: number): string {
  const local = new Date(ms + offset_h * HOUR_MS).toISOString().slice(0, -1);
  return `${local}${offset_h < 0 ? "-" : "+"}${String(Math.abs(offset_h)).padStart(2, "0")}:00`;
}

threat("A6", "the host's clock decides, a claim beyond the skew is refused, an expiry has no grace", {
  async check(tree) {
    const world = await worldOf(tree);
    const skew = world.limits.time_skew_max_ms;
    const evaluate = ({ facts }: { facts: { time: { ms: number } } }): PolicyResult =>
      open(facts.time.ms)
        ? ALLOWED
        : {
            decision: "deny",
            proceed: false,
            reasons: [{ effect: "deny", code: "not_permitted", severity: "medium", params: {} }],
            obligations: [],
          };
    world.active = policyOf(evaluate);
    const below = numbers(6);
    // The night of each change of the clocks, the days beside it, and the edges of an ordinary day.
    const days = ["2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26", "2026-12-31"];
    const moments = days.flatMap((day) =>
      [0, 1, 2, 7, 8, 9, 12, 15, 16, 17, 23].map((hour) => Date.parse(`${day}T00:00:00Z`) + hour * HOUR_MS),
    );
    const claims = [0, 1, skew - 1, skew, skew + 1, HOUR_MS, 24 * HOUR_MS, 48 * HOUR_MS].flatMap((ms) => [ms, -ms]);
    let allowed = 0;
    for (const moment of moments)
      for (const edge of [-1, 0, 1])
        for (const left of [null, -1, 0, 1, HOUR_MS]) {
          const now = moment + edge;
          const expires_ms = left === null ? null : now + left;
          world.now_ms = now;
          world.tasks.set(TASK.id, { ...TASK, expires_ms });
          const random = Array.from({ length: 4 }, () => below(96 * HOUR_MS) - 48 * HOUR_MS);
          for (const ahead of [...claims, ...random]) {
            const rightful = open(now) && (expires_ms === null || now < expires_ms) && Math.abs(ahead) <= skew;
            const time = spelled(now + ahead, below(25) - 12);
            const { answer } = await world.decide({ ...REQUEST, time });
            world.records.length = 0;
            if (answer.proceed) allowed++;
            if (answer.proceed !== rightful)
              return `${answer.decision} at ${new Date(now).toISOString()}, claimed ${time}, task ends ${String(left)} ms on`;
          }
        }
    if (allowed < 1000) throw new Error(`only ${allowed} were allowed`);
    return null;
  },
  without: {
    "the host's clock": [cut.value("decision/gather.js", "ownLevel", "now_ms", "action.claim_ms ?? now_ms")],
    "the bound on skew": [cut.row("decision/floor.js", "FLOOR", "time_skew")],
    "the millisecond of expiry": [cut.condition("decision/floor.js", "FLOOR", ["now_ms", "task"], "s.now_ms > s.task.expires_ms")],
  },
});

threat("A13", "identifiers are canonical or refused, never repaired", {
  async check(tree) {
    const world = await worldOf(tree);
    const refused: PolicyResult = {
      decision: "deny",
      proceed: false,
      reasons: [{ effect: "deny", code: "not_permitted", severity: "medium", params: {} }],
      obligations: [],
    };
    world.active = policyOf(({ request }) => (/^(public\/|open-)/.test(request.resource.id ?? "") ? ALLOWED : refused));
    const corpus = [...paths().map((id) => ["file", id]), ...names().map((id) => ["invoice", id])] as const;
    if (corpus.length < 500) return `only ${corpus.length} variants`;
    const shown = (type: string, id: string): string => `${type} ${JSON.stringify(id)}`;
    for (const [type, id] of [...corpus, ["file", "public/a.txt"], ["invoice", "open-1"]] as [string, string][]) {
      let proceed: boolean;
      try {
        ({ proceed } = (await world.decide({ ...REQUEST, resource: { type, id } })).answer);
      } catch (error) {
        if (!/^(identifier|path)_not_canonical$|^field_/.test(codeIn(error))) throw error;
        continue;
      }
      const good = id === "public/a.txt" || id === "open-1";
      if (proceed !== good) return `${proceed ? "allowed" : "denied"}: ${shown(type, id)}`;
      if (type !== "file") continue;
      for (const [reader, read] of Object.entries(READERS))
        if (read(id) !== id.replace(/^\//, "") && read(id) !== id) return `${reader} reads otherwise: ${shown(type, id)}`;
    }
    return null;
  },
  without: {
    "the canonical form of identifiers": [cut.always("contract/identifier.js", "isCanonicalId", "trim", "normalize")],
    "the plain segments of paths": [cut.returns("contract/identifier.js", "isCanonicalPath", "isCanonicalId(id)")],
  },
});

// The world's own moment lies within the hours that A6 keeps.
if (!open(NOW)) throw new Error("the world's clock stands outside the hours");
