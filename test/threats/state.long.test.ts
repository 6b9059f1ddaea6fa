/** What is tried with time and with who comes first: after a revocation, over another's change, past an end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PolicyInput, PolicyResult, RevocationTarget } from "../../src/contract/index.js";
import type { Decided } from "../../src/decision/decide.js";
import type { Store } from "../../src/store/store.js";
import { system } from "../../src/system/index.js";
import { HOUR_MS, NOW, StillTimers, lines, turns } from "../facts/world.js";
import { TOKENS } from "../identity/forged.js";
import { ISSUER, NOW_S, identity, taskTokens } from "../identity/tokens.js";
import { Leaving } from "../simulation/service.js";
import { Living, asking, ownCustomer } from "./living.js";
import { cut } from "./cut.js";
import { codeIn, codeOf, numbers, threat, type Tree } from "./threat.js";

const later = (ms: number): string => new Date(NOW + ms).toISOString();

const ROUNDS = 3000;
const BATCH = 5;

threat("E1", "nothing that leaves after the acknowledgement of a revocation was allowed without it", {
  async check(tree) {
    const { importFacts } = await tree("facts/import.js");
    const below = numbers(1);
    let now_cut = false;
    let broken = null as string | null;
    const counts = { allowed: 0, denied: 0, across: 0, after: 0 };
    const living = await Living.open(tree, {
      policy: ownCustomer,
      append: async (record) => {
        if (now_cut && record.includes('"proceed":true')) broken ??= `on record as allowed while it is revoked: ${record}`;
        // Longer than an acknowledgement may take: what was allowed before then leaves after it.
        await turns(below(6));
      },
    });
    const { commands } = living;
    for (const id of ["a-1", "a-2"])
      await commands.createAgent({ id, owner: `o-${id}`, purposes: ["support"], delegates: ["support"] }, "host");
    const work = { purpose: "support", subjects: { customer: ["ada"] }, expires: later(20 * HOUR_MS) };
    await commands.createTask({ id: "T-1", agent: "a-1", ...work }, "host");
    await commands.createTask({ id: "T-2", agent: "a-2", parent: "T-1", ...work }, "host");
    const [own, handedOn] = [asking({ agent: "a-1", task: "T-1" }), asking({ agent: "a-2", task: "T-2" })];

    const scopes: [scope: RevocationTarget, id: string][] = [
      [{ agent: "a-1" }, "agent/a-1"],
      [{ task: "T-1" }, "task/T-1"],
      [{ owner: "o-a-1" }, "owner/o-a-1"],
      [{ purpose: "support" }, "purpose/support"],
      [{ token: "j-caller" }, "token/j-caller"],
      [{ everything: true }, "everything"],
    ];
    for (let round = 0; round < ROUNDS && broken === null; round++) {
      let acknowledged = false;
      const ask = async (): Promise<void> => {
        await turns(below(8));
        const begun_after = acknowledged;
        const leaving = new Leaving();
        living.flights.begin(leaving);
        const one = below(2) === 0 ? own : handedOn;
        let decided: Decided[];
        try {
          decided =
            below(3) === 0
              ? await living.batch(Array.from({ length: BATCH }, (_, i) => (i % 2 === 0 ? own : handedOn)))
              : [await living.decide(one)];
        } catch (error) {
          if (codeIn(error) !== "facts_behind") throw error;
          decided = [];
        }
        await turns(below(2));
        const allowed = decided.filter(({ answer }) => answer.proceed).length;
        if (acknowledged && allowed > 0) broken ??= `allowed after it was acknowledged, ${begun_after ? "asked for after" : "under way"}`;
        counts.allowed += allowed;
        counts.denied += decided.length - allowed;
        if (begun_after) counts.after += decided.length;
        else if (now_cut) counts.across += decided.length;
        leaving.leave();
      };
      const cut = async (): Promise<() => Promise<unknown>> => {
        await turns(1 + below(5));
        const [scope, id] = scopes[round % scopes.length] ?? [{}, ""];
        const lift = (): Promise<unknown> => commands.lift(id, { reason: "r" }, null, "ops");
        switch (round % 8) {
          case 0: {
            const stopping = commands.changeAgent("a-1", { status: "suspended", reason: "r" }, null, "ops");
            now_cut = true;
            await stopping;
            return () => commands.changeAgent("a-1", { status: "active", reason: "r" }, null, "ops");
          }
          case 1: {
            const file = await lines([{ revocation: { scope, reason: "r" } }]);
            await importFacts(commands, file, { id: `I-${round}`, dryRun: false, by: "ops", reason: null });
            now_cut = true;
            return lift;
          }
          default: {
            const stopping = commands.revoke({ scope, reason: "r" }, "ops");
            now_cut = true;
            await stopping;
            return lift;
          }
        }
      };
      const asked = Array.from({ length: 5 }, ask);
      const restore = await cut();
      acknowledged = true;
      asked.push(ask(), ask());
      await Promise.all(asked);
      now_cut = acknowledged = false;
      living.records.length = 0;
      await restore();
    }
    if (broken !== null) return broken;
    if (Object.values(counts).some((count) => count < ROUNDS)) throw new Error(JSON.stringify(counts));
    return null;
  },
  without: {
    "the acknowledgement waiting": [cut.call("facts/restrictions.js", "narrow", "#barrier", "Promise.resolve()")],
    "an import's waiting": [cut.call("facts/import.js", "importFacts", "barrier")],
    "answers under way being seen": [cut.call("http/flights.js", "begin", "add", "new Bag().add(response)")],
    "one turn from the attempt to the commit": [
      cut.value(
        "decision/decide.js",
        "decider",
        "decided",
        `async (question) => {
        const made = attempt(question);
        await new Promise((resolve) => timers.turnEnd(resolve));
        return committer.durable(committer.commit(made));
      }`,
      ),
    ],
    "the tasks above": [cut.never("decision/gather.js", "gather", "parent")],
  },
});

const EDITS = 10_000;
const EDITS_AT_ONCE = 100;

/** A change as its operator saw it: begun and ended at these moments, from this revision to that one. */
interface Edit {
  begun: number;
  ended: number;
  from: number;
  to: number;
}

/** Whether edits of one thing could have been made one after another, none between its read and its write. */
function lostAmong(edits: readonly Edit[], last: number): string | null {
  const inOrder = [...edits].sort((a, b) => a.to - b.to);
  let latest = 0;
  for (const [i, { begun, from, to }] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before !== undefined && from !== before.to) return `one from ${from} to ${to} came after one to ${before.to}`;
    if (inOrder.slice(i + 1, i + 4).some(({ ended }) => ended < begun)) return `one to ${to} overtook an earlier one`;
    latest = to;
  }
  return latest === last ? null : `the last was to ${latest}, and it is at ${last}`;
}

async function editedInStore(store: Store): Promise<string | null> {
  const below = numbers(8);
  const keys = ["a", "b", "c"];
  const edits = new Map(keys.map((key): [string, Edit[]] => [key, []]));
  const last = new Map<string, number>();
  let [moment, stale] = [0, 0];
  const edit = async (): Promise<void> => {
    await turns(below(3));
    const key = keys[below(3)] ?? "";
    const [from, begun] = [last.get(key) ?? 0, moment++];
    try {
      const [to = 0] = await store.write([
        { key, expected: from, value: moment, by: "host", time: later(0), reason: null, change: "edited" },
      ]);
      last.set(key, Math.max(last.get(key) ?? 0, to));
      edits.get(key)?.push({ begun, ended: moment++, from, to });
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "StoreConflict") throw error;
      stale++;
    }
  };
  for (let round = 0; round < EDITS / EDITS_AT_ONCE; round++) await Promise.all(Array.from({ length: EDITS_AT_ONCE }, edit));
  for (const [key, of] of edits) {
    const found = lostAmong(of, last.get(key) ?? 0);
    if (found !== null) return `${key}: ${found}`;
  }
  if (stale < EDITS / 10) throw new Error(`only ${stale} were refused`);
  return null;
}

async function edited(tree: Tree): Promise<string | null> {
  const { commands } = await Living.open(tree);
  const below = numbers(7);
  const ids = ["a-1", "a-2", "a-3"];
  for (const id of ids) await commands.createAgent({ id, owner: "o", purposes: ["support"] }, "host");
  const edits = new Map(ids.map((id): [string, Edit[]] => [id, []]));
  const created = new Map(ids.map((id) => [id, commands.agent(id).revision]));
  let [moment, stale] = [0, 0];
  const edit = async (): Promise<void> => {
    const id = ids[below(3)] ?? "";
    const { revision: from, version, status } = commands.agent(id);
    await turns(below(3));
    const begun = moment++;
    // One in four is about whether it may act at all.
    const asked =
      below(4) > 0
        ? { version: String(Number(version) + 1) }
        : { status: status === "active" ? ("suspended" as const) : ("active" as const), reason: "r" };
    const code = await codeOf(() => commands.changeAgent(id, asked, from, "host"));
    if (code === "revision_stale") stale++;
    else if (code !== "accepted") throw new Error(code);
    else if (asked.version !== undefined || asked.status === "active") edits.get(id)?.push({ begun, ended: moment++, from, to: 0 });
  };
  for (let round = 0; round < EDITS / EDITS_AT_ONCE; round++) await Promise.all(Array.from({ length: EDITS_AT_ONCE }, edit));
  for (const [id, of] of edits) {
    // Which change an edit became, the events say; a suspension comes between wherever it is asked for.
    const events = [];
    for (let after = created.get(id) ?? 0; ;) {
      const { items, next } = await commands.events(after, 1000, { key: `agent/${id}` });
      events.push(...items);
      if (next === null) break;
      after = Number(next);
    }
    const narrowed = new Set(events.flatMap(({ change, revision }) => (change === "agent_suspended" ? [revision] : [])));
    const widened = events.filter(({ revision }) => !narrowed.has(revision));
    if (widened.length !== of.length) return `${id}: ${of.length} edits were accepted and ${widened.length} were made`;
    const froms = [...of].map(({ from }) => from).sort((a, b) => a - b);
    for (const [i, { revision }] of widened.entries()) {
      const from = froms[i] ?? 0;
      const between = events.find((other) => other.revision > from && other.revision < revision);
      if (between !== undefined) return `${id}: one from ${from} to ${revision} was made although ${between.change} came between`;
    }
    const versions = widened.filter(({ change }) => change === "agent_changed").length;
    if (commands.agent(id).version !== String(versions + 1)) return `${id}: of ${versions} versions one is lost`;
  }
  if (stale < EDITS / 10) throw new Error(`only ${stale} were refused`);
  return null;
}

threat("E7", "of changes based on one revision one is made, and none is lost", {
  async check(tree) {
    const { MemoryStore } = await tree("store/memory.js");
    const { SqliteStore } = await tree("store/sqlite.js");
    const folder = mkdtempSync(join(tmpdir(), "remit-threat-"));
    const limits = { queue_calls_max: 1000, queue_bytes_max: 1024 * 1024 };
    const sqlite = await SqliteStore.open({ file: join(folder, "facts.sqlite"), ...limits }, system.timers, {
      unavailable: () => undefined,
      ready: () => undefined,
    });
    try {
      const found = await editedInStore(new MemoryStore(new StillTimers()));
      return found ?? (await editedInStore(sqlite)) ?? (await edited(tree));
    } finally {
      await sqlite.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  without: {
    "the revision that a change is based on": [cut.call("facts/commands.js", "#changeMembers", "checkRevision")],
    "the revision that a restoration is based on": [cut.call("facts/commands.js", "#restore", "checkRevision")],
    "compare-and-set in memory": [cut.never("store/memory.js", "#apply", "found")],
    "compare-and-set in the file": [cut.never("store/file.js", "StoreFile.write", "expected")],
  },
});

const JUMPS = 16_000;
const LEEWAY_MS = 5000;

/** What is about the task's own customer, or what a grant names. */
function granting(input: PolicyInput): PolicyResult {
  const [grant] = input.facts.grants;
  const own = ownCustomer(input);
  if (own.proceed || grant === undefined) return own;
  return {
    ...own,
    decision: "allow",
    proceed: true,
    reasons: [{ effect: "allow", code: "granted", severity: "info", params: { grant: grant.id, lifted: ["not_permitted"] } }],
  };
}

function expiryOf(token: string): number {
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  return (JSON.parse(payload) as { exp: number }).exp * 1000;
}

threat("E8", "however the host's clock is set, nothing is allowed past an end, and nothing lives longer than it had", {
  async check(tree) {
    const builds = { ...(await tree("identity/jwt.js")), ...(await tree("identity/task_tokens.js")) };
    const below = numbers(8);
    let who!: ReturnType<typeof identity>;
    const living = await Living.open(tree, {
      policy: granting,
      identity: (clock) => {
        const tasks = taskTokens({ lifetime_max_s: 300 }, clock, builds.TaskTokens);
        return (who = identity({ cached_tokens_max: 100_000, tasks }, clock, builds));
      },
    });
    const { commands, clock } = living;
    living.timers.now = NOW_S * 1000 - NOW;
    await commands.createAgent(
      { id: "a-1", owner: "o", purposes: ["support"], credentials: [{ issuer: ISSUER, subject: String(TOKENS.agent.claims["sub"]) }] },
      "host",
    );

    /** A thing that ends: by the wall clock, and where it is a token also so long after it was first shown. */
    interface Ending {
      text: string;
      wall: number;
      elapsed: number;
    }
    const seconds = (ms: number): number => Math.floor(ms / 1000);
    const counts = { allowed: 0, task: 0, grant: 0, agent: 0, caller: 0, task_token: 0 };
    const shown = {
      task: [] as Ending[],
      grant: [] as Ending[],
      agent: [] as Ending[],
      caller: [] as Ending[],
      task_token: [] as Ending[],
    };
    /** What is over next, at times. */
    let aimed: Ending | undefined;
    const one = (of: readonly Ending[]): Ending => of.find((other) => other === aimed) ?? (of[below(of.length)] as Ending);
    const show = (what: keyof typeof shown, text: string, wall: number): void => {
      shown[what] = [...shown[what], { text, wall, elapsed: Infinity }].slice(-8);
    };

    async function renew(n: number): Promise<void> {
      const now = clock.wall();
      const life = (): number => (below(2) === 0 ? 20 + below(200) : 60 + below(3000)) * 1000;
      const [task, grant] = [now + life(), now + life()];
      await commands.createTask(
        { id: `T-${n}`, agent: "a-1", purpose: "support", subjects: { customer: ["ada"] }, expires: new Date(task).toISOString() },
        "host",
      );
      await commands.createGrant(
        {
          id: `G-${n}`,
          task: `T-${n}`,
          entry: { read: "invoice" },
          reason: "r",
          requested_by: "a",
          approved_by: "b",
          expires: new Date(grant).toISOString(),
        },
        "host",
      );
      const claims = (): { iat: number; exp: number; jti: string } => ({ iat: seconds(now), exp: seconds(now + life()), jti: `j-${n}` });
      const [agent, caller] = [claims(), claims()];
      show("task", `T-${n}`, task);
      show("grant", `G-${n}`, grant);
      // An agent's token is younger than the agent, whatever the clock says of when that was registered.
      show("agent", TOKENS.agent.token({ ...agent, iat: Math.max(agent.iat, NOW_S) }), agent.exp * 1000);
      show("caller", TOKENS.caller.token({ ...caller }), caller.exp * 1000 + LEEWAY_MS);
      const text = who.issueTaskToken({ task: `T-${n}`, agent: "a-1", purpose: "support", expires_ms: task });
      show("task_token", text, expiryOf(text));
    }

    async function ask(jump: number): Promise<string | null> {
      const [task, agent, caller, taskToken] = [one(shown.task), one(shown.agent), one(shown.caller), one(shown.task_token)];
      const way = below(5);
      const customer = way === 0 ? "bob" : "ada";
      const grant = shown.grant.find(({ text }) => text.slice(2) === task.text.slice(2));
      const body = {
        ...asking({ agent: "a-1", task: task.text, customer }),
        ...(way === 1 ? { agent_token: agent.text } : {}),
        ...(way === 2 ? { task: undefined, task_token: taskToken.text } : {}),
      };
      const rests: [keyof typeof counts, Ending][] = [["caller", caller], way === 2 ? ["task_token", taskToken] : ["task", task]];
      if (way === 0 && grant !== undefined) rests.push(["grant", grant]);
      if (way === 1) rests.push(["agent", agent]);
      const elapsed = clock.monotonic();
      const before = clock.wall();
      for (const [, rest] of rests) if (rest.elapsed === Infinity && before < rest.wall) rest.elapsed = elapsed + rest.wall - before;
      const deciding = living.decide(body, `Bearer ${caller.text}`).then(
        ({ answer }) => answer,
        (error: unknown) => codeIn(error),
      );
      await turns(below(3));
      living.ahead_ms += jump;
      const answer = await deciding;
      if (typeof answer === "string" || !answer.proceed) {
        for (const [what, rest] of rests) if (before >= rest.wall) counts[what]++;
        return null;
      }
      counts.allowed++;
      const record = living.records
        .map((text) => JSON.parse(text) as { time: string; answer?: { decision_id: string } })
        .find((one) => one.answer?.decision_id === answer.decision_id);
      const at = Date.parse(record?.time ?? "");
      if (at !== before && at !== clock.wall()) return `it is on record at ${String(record?.time)}`;
      for (const [what, rest] of rests) {
        const told = `${what} that ended at ${new Date(rest.wall).toISOString()}, at ${String(record?.time)}`;
        // A caller has to be known when it asks.
        if ((what === "caller" ? before : at) >= rest.wall) return `allowed by a ${told}`;
        if (what !== "task" && what !== "grant" && elapsed >= rest.elapsed) return `allowed by a ${told}, set back`;
        if (what !== "caller" && answer.valid_for_ms > rest.wall - at) return `valid for ${answer.valid_for_ms} ms by a ${told}`;
      }
      return answer.valid_for_ms > 5000 ? `valid for ${answer.valid_for_ms} ms` : null;
    }

    for (let n = 0; n < JUMPS; n++) {
      if (n % 20 === 0) await renew(n);
      const left = (of: Ending): number => of.wall - clock.wall();
      aimed = n % 4 > 0 ? undefined : Object.values(shown)[below(5)]?.find((of) => left(of) > 5000 && left(of) < 300_000);
      living.timers.now += aimed === undefined ? below(10_000) : left(aimed) - 5000 + below(6000);
      const back = living.ahead_ms >= HOUR_MS ? 2 : living.ahead_ms <= -HOUR_MS ? 0 : below(3);
      const jump = below(4) > 0 ? 0 : (1 - back) * HOUR_MS;
      const found = await ask(jump);
      living.records.length = 0;
      if (found !== null) return found;
    }
    if (Object.values(counts).some((count) => count < 50)) throw new Error(JSON.stringify(counts));
    return null;
  },
  // prettier-ignore
  without: {
    "a token's end by the monotonic clock": [cut.never("identity/verified_tokens.js", "find", "monotonic")],
    "a token's end by the wall clock": [cut.never("identity/verified_tokens.js", "find", "wall")],
    "a task's expiry": [cut.row("decision/floor.js", "FLOOR", "task_expired")],
    "a grant's expiry": [cut.never("facts/held_grants.js", "#state", "expires_ms")],
    "an answer ending with its task": [cut.call("decision/answer.js", "validUntil", ["min", "situation"], "until")],
    "an answer ending with its grant": [cut.never("decision/answer.js", "validUntil", "state")],
    "an answer ending with its agent's token": [cut.never("decision/answer.js", "validUntil", "agent_proof")],
    "an answer ending with its task's token": [cut.never("decision/answer.js", "validUntil", "task_proof")],
  },
});
