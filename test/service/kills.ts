/**
 * Kills a service with SIGKILL under the load of `load.ts`, again and again, and compares what the next start has with what
 * clients were told: in the store, in the records, in memory, and in what is decided.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { logIdentity } from "../../src/audit/log/log_keys.js";
import { CHECKPOINT } from "../../src/audit/log/seal.js";
import { readVerifier } from "../../src/audit/tree/note.js";
import { verifyLog, type KeptCheckpoint } from "../../src/audit/tree/verify.js";
import type { AgentState, RevocationState, TaskState } from "../../src/contract/index.js";
import { Dice } from "../differential/dice.js";
import { Child, sleep, type Json, type Place } from "./child.js";
import { Load, PURPOSE, grantsIn, type Import, type PooledGrant } from "./load.js";

export interface KillsFound {
  /** Under load, and while the service was starting. */
  kills: number;
  kills_at_start: number;
  changes: number;
  decisions: number;
  imports: number;
  imports_interrupted: number;
  /** Calls that were answered with a problem that was tolerated. */
  refused: number;
  /** Calls without an answer, or with such a problem, and those of them that were in the store all the same. */
  unanswered: number;
  unanswered_applied: number;
  /** Changes acknowledged that aren't there, or aren't what was acknowledged. */
  lost: number;
  /** Changes and imports of which a part is there. */
  half: number;
  /** Decisions answered without their record, or with another. */
  unrecorded: number;
  grants: number;
  /** Uses of counted grants that clients were told of, and that are on record. */
  uses_told: number;
  uses_recorded: number;
  /** Grants used more often than they say, and grants asked for until the end and used less. */
  over_used: number;
  under_used: number;
  /** Revocations looked at after a kill that had been acknowledged as durable, and those of them that didn't deny. */
  revocations: number;
  revocations_lost: number;
  /** Checkpoints that were there after a kill, and what of the log contradicts one of them, or itself, at the end. */
  checkpoints: number;
  unproven: number;
  /** Whatever else is not as it should be. */
  other: number;
  /** The first of all these, in words. */
  violations: string[];
  /** Of each plain start, until it was ready. */
  ready_ms: number[];
  /** Of each take-over, from the kill until the standby had answered a decision. */
  takeover_ms: number[];
}

export interface KillsOptions {
  kills: number;
  seed: number;
  /** Ends after the first violation. */
  first?: boolean;
  /** Each that is killed has a standby beside it, which takes over; left out: none, and another is started. */
  standby?: boolean;
  faults?: Faults;
  progress?: (kills: number, found: KillsFound) => void;
}

/** What fails under the load, and what may then be answered. */
export interface Faults {
  /** Of the service's process. */
  env: Record<string, string>;
  begin: () => void;
  end: () => void;
  tolerated: RegExp;
}

type Wrong = "lost" | "half" | "unrecorded" | "over_used" | "under_used" | "revocations_lost" | "unproven" | "other";

/** What clients were told. */
interface Work {
  changes: number;
  decisions: number;
  /** Of all kinds, problems that are tolerated too. */
  answers: number;
}

interface Event {
  revision: number;
  key: string;
  change: string;
  reason: string | null;
  value: Json;
}

interface LogRecord {
  seq: number;
  kind: string;
  facts_revision?: number | null;
  uses?: string[];
  answer?: Json;
}

const VIOLATIONS_SHOWN = 20;
/** The load lasts so long before a kill, and on a slow machine until so much was done. */
const LOAD_MS = { least: 30, most: 450 };
const WORK: Work = { changes: 8, decisions: 16, answers: 0 };
/** One in some operations of the disk fails: there have to be that many. */
const WORK_WITH_FAULTS: Work = { changes: 0, decisions: 0, answers: 200 };
const WORKED_WITHIN_MS = 20_000;
/** So long it takes at most until all is well again after faults. */
const HEALED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 20;
/** So many of the kills come while the service starts, until a little after it would have been ready. */
const AT_START_PERCENT = 20;
const START = 1.2;
const STANDBY = ["--standby"];
const STANDBY_READY = '"message":"a bundle is ready"';
const TAKING_OVER = '"message":"taking over"';
const ANSWERED_EVERY_MS = 2;
const ANSWERED_WITHIN_MS = 60_000;
const BATCH = 100;

export async function killService(place: Place, options: KillsOptions): Promise<KillsFound> {
  const dice = new Dice(options.seed);
  const run = new Run(place, new Load(dice));
  const { found } = run;
  if (options.standby === true) {
    if (await killActive(place, run, dice, options)) await run.end();
    return found;
  }
  while (found.kills + found.kills_at_start < options.kills) {
    const child = new Child(place, options.faults?.env);
    if (found.kills > 0 && dice.chance(AT_START_PERCENT)) {
      await sleep(dice.below(START * (found.ready_ms.at(-1) ?? 0)));
      await child.kill();
      found.kills_at_start++;
      continue;
    }
    let loaded: Promise<void> | null = null;
    try {
      const started = await run.compare(child);
      if (!started || (options.first === true && found.violations.length > 0)) return found;
      if (options.faults !== undefined) run.load.tolerated = options.faults.tolerated;
      options.faults?.begin();
      const before = workOf(run.load);
      loaded = run.load.run(child, run.facts);
      await sleep(LOAD_MS.least + dice.below(LOAD_MS.most - LOAD_MS.least));
      await worked(run.load, before, options.faults === undefined ? WORK : WORK_WITH_FAULTS);
      if (options.faults !== undefined && dice.chance(50)) {
        options.faults.end();
        await run.healed();
      }
    } finally {
      options.faults?.end();
      await child.kill();
      await loaded;
    }
    found.kills++;
    options.progress?.(found.kills + found.kills_at_start, found);
  }
  await run.end();
  return found;
}

function workOf({ acknowledged, decided, refused }: Load): Work {
  return { changes: acknowledged, decisions: decided, answers: acknowledged + decided + refused };
}

/** Until so much more was done than before; a service that does nothing is killed all the same. */
async function worked(load: Load, before: Work, least: Work): Promise<void> {
  for (let ms = 0; ms < WORKED_WITHIN_MS; ms += LOOK_EVERY_MS) {
    const now = workOf(load);
    if ((Object.keys(least) as (keyof Work)[]).every((name) => now[name] - before[name] >= least[name])) return;
    await sleep(LOOK_EVERY_MS);
  }
}

/** @returns false where it ended before */
async function killActive(place: Place, run: Run, dice: Dice, options: KillsOptions): Promise<boolean> {
  const { found } = run;
  const all: Child[] = [];
  const begin = (): Child => {
    const child = new Child(place, options.faults?.env, STANDBY);
    all.push(child);
    return child;
  };
  let active = begin();
  let waited = active.ready();
  try {
    while (found.kills + found.kills_at_start < options.kills) {
      if (!(await run.compare(active, waited, found.kills === 0 ? found.ready_ms : found.takeover_ms))) return false;
      if (options.first === true && found.violations.length > 0) return false;
      const again = found.kills > 0 && dice.chance(AT_START_PERCENT);
      const standbys = again ? [begin(), begin()] : [begin()];
      // First: how much there is to load for the next one must not depend on how long it takes to start one.
      for (const standby of standbys) await standby.says(STANDBY_READY);
      const before = workOf(run.load);
      const loaded = run.load.run(active, run.facts);
      await sleep(LOAD_MS.least + dice.below(LOAD_MS.most - LOAD_MS.least));
      await worked(run.load, before, WORK);
      let since = performance.now();
      await Promise.all([active.kill(), loaded]);
      found.kills++;
      if (again) {
        const first = await Promise.race(standbys.map((standby) => standby.says(TAKING_OVER).then(() => standby)));
        await sleep(dice.below(START * (found.takeover_ms.at(-1) ?? 0)));
        since = performance.now();
        await first.kill();
        found.kills_at_start++;
        standbys.splice(standbys.indexOf(first), 1);
      }
      active = standbys[0] ?? begin();
      waited = run.firstAnswer(active, since);
      options.progress?.(found.kills + found.kills_at_start, found);
    }
    return await run.compare(active, waited, found.takeover_ms);
  } finally {
    for (const child of all) await child.kill();
  }
}

class Run {
  readonly found: KillsFound = {
    kills: 0,
    kills_at_start: 0,
    changes: 0,
    decisions: 0,
    imports: 0,
    imports_interrupted: 0,
    refused: 0,
    unanswered: 0,
    unanswered_applied: 0,
    lost: 0,
    half: 0,
    unrecorded: 0,
    grants: 0,
    uses_told: 0,
    uses_recorded: 0,
    over_used: 0,
    under_used: 0,
    revocations: 0,
    revocations_lost: 0,
    checkpoints: 0,
    unproven: 0,
    other: 0,
    violations: [],
    ready_ms: [],
    takeover_ms: [],
  };
  readonly facts = new Map<string, { value: Json; revision: number }>();
  readonly #events = createHash("sha256");
  readonly #records = createHash("sha256");
  /** Bytes of each segment that were looked at. */
  readonly #read = new Map<string, number>();
  readonly #uses = new Map<string, number>();
  /** Of each import, the facts that are there, and how many of them it says there are. */
  readonly #imported = new Map<string, { there: Set<string>; said: number }>();
  /** As whoever keeps them elsewhere has them: after each kill, the one that was there. */
  readonly #checkpoints: KeptCheckpoint[] = [];
  #revision = 0;
  #recorded = 0;
  #seq = 0;

  constructor(
    private readonly place: Place,
    readonly load: Load,
  ) {}

  /**
   * A service that has just been started, or has taken over, with what clients were told before the last was killed.
   * @param waited milliseconds, of which `times` takes note
   * @returns false where it doesn't start
   */
  async compare(child: Child, waited = child.ready(), times = this.found.ready_ms): Promise<boolean> {
    try {
      times.push(await waited);
    } catch (cause) {
      this.#wrong("lost", `what was there can't be read: ${String(cause)}`);
      return false;
    }
    this.#keepCheckpoint();
    const changed = await this.#compareStore(child);
    this.#compareRecords();
    await this.#compareMemory(child, changed);
    await this.#compareDecisions(child);
    for (const what of this.load.unexpected.splice(0)) this.#wrong("other", `it was answered ${what}`);
    return true;
  }

  /** Milliseconds since then, when one that takes over has answered a decision. @throws Error where it doesn't */
  async firstAnswer(child: Child, since: number): Promise<number> {
    const [own] = this.load.ownActions();
    const body = own?.body ?? {
      agent: "nobody",
      purpose: PURPOSE,
      verb: "read",
      resource: { type: "customer", id: "c" },
    };
    while (performance.now() - since < ANSWERED_WITHIN_MS) {
      const told = await child.ask("POST", "/decide", { body });
      if (told?.status === 200) {
        this.load.answered(told.body);
        return performance.now() - since;
      }
      await sleep(ANSWERED_EVERY_MS);
    }
    throw new Error(`nothing is decided: ${child.said}`);
  }

  /** Without help changes are taken and decisions made again. */
  async healed(): Promise<void> {
    const { load } = this;
    const [changes, decisions, imports] = [load.acknowledged, load.decided, load.imported];
    for (let ms = 0; ms < HEALED_WITHIN_MS; ms += LOOK_EVERY_MS) {
      if (load.acknowledged > changes + 10 && load.decided > decisions + 10 && load.imported > imports) return;
      await sleep(LOOK_EVERY_MS);
    }
    this.#wrong("other", `it isn't well again ${HEALED_WITHIN_MS} ms after the last fault`);
  }

  /** Uses what grants are left, and looks at everything once more, from the beginning. */
  async end(): Promise<void> {
    const child = new Child(this.place);
    try {
      if (!(await this.compare(child))) return;
      for (const grant of this.load.pool) await this.#useUp(child, grant);
      this.#compareRecords();
      for (const { id, uses } of this.load.pool) {
        const used = this.#uses.get(id) ?? 0;
        if (used < uses) this.#wrong("under_used", `grant ${id} was used ${used} times of ${uses} and gave no more`);
      }
      const events = createHash("sha256");
      for (const event of await child.all("/facts/events", "after", "0")) events.update(JSON.stringify(event));
      if (events.digest("hex") !== this.#events.digest("hex")) this.#wrong("lost", "changes aren't what they were");
      await this.#compareAll(child);
      const code = await child.stop();
      if (code !== 0) this.#wrong("other", `it ended with ${code ?? "a signal"}: ${child.said}`);
      this.#compareRecords();
      const records = createHash("sha256");
      for (const name of this.#segments()) records.update(readFileSync(join(this.place.records, name)));
      if (records.digest("hex") !== this.#records.digest("hex")) this.#wrong("unrecorded", "records aren't what they were");
      this.#verify();
    } finally {
      await child.kill();
    }
    const { found, load } = this;
    found.changes = load.acknowledged;
    found.decisions = load.decided;
    found.imports = load.imported;
    found.imports_interrupted = load.interrupted;
    found.refused = load.refused;
    found.grants = load.grants.size;
    found.uses_told = sum(load.allowed.values());
    found.uses_recorded = sum(this.#uses.values());
  }

  /** @returns the keys that have changed since the last time */
  async #compareStore(child: Child): Promise<Set<string>> {
    const changed = new Set<string>();
    const seen = new Set<string>();
    const { operations, imports } = this.load;
    for (const item of await child.all("/facts/events", "after", String(this.#revision))) {
      this.#events.update(JSON.stringify(item));
      const event = item as unknown as Event;
      const { revision, key, value } = event;
      if (revision !== ++this.#revision) this.#wrong("lost", `revision ${this.#revision} is missing`);
      const tag = event.reason ?? key;
      const operation = operations.get(tag);
      const imported = imports.get(tag);
      if (imported !== undefined) this.#compareImported(imported, event);
      else if (operation === undefined || operation.key !== key || operation.change !== event.change || seen.has(tag)) {
        this.#wrong("other", `nobody asked for revision ${revision}, ${event.change} of ${key}`);
      } else {
        if (!operation.whole(value, this.facts.get(key)?.value)) this.#wrong("half", `${tag}: ${JSON.stringify(value)}`);
        const { answer, state } = operation;
        if (state === "refused") this.#wrong("other", `${tag} was refused and is there`);
        if (state === "open") this.found.unanswered_applied++;
        // What is held over it, and isn't stored yet, is in the answer as well.
        const told = this.load.tolerated !== null ? answer?.["revision"] === revision : isTold(answer ?? {}, event);
        if (state === "acknowledged" && !told) {
          this.#wrong("lost", `${tag} was acknowledged as ${JSON.stringify(answer)} and is ${JSON.stringify(event)}`);
        }
        changed.add(key);
      }
      seen.add(tag);
      if (!key.startsWith("import/")) this.facts.set(key, { value, revision });
    }
    for (const { tag, key, change, state } of operations.values()) {
      if (state === "open") this.found.unanswered++;
      if (state === "acknowledged" && !seen.has(tag)) this.#wrong("lost", `${tag}, ${change} of ${key}, was acknowledged`);
    }
    operations.clear();
    this.#compareImports();
    return changed;
  }

  /** Facts of an import come before the change that says how many of them there are, in one call to the store. */
  #compareImported({ id, keys }: Import, { key, value, change }: Event): void {
    const known = this.#imported.get(id) ?? { there: new Set(), said: 0 };
    this.#imported.set(id, known);
    if (key === `import/${id}`) known.said = value["done"] as number;
    else if (known.there.has(key) || !keys.includes(key) || change === "agent_changed") {
      this.#wrong("other", `import ${id} has changed ${key}`);
    } else known.there.add(key);
  }

  #compareImports(): void {
    for (const [tag, { id, keys, acknowledged }] of this.load.imports) {
      const { there, said } = this.#imported.get(id) ?? { there: new Set(), said: 0 };
      if (there.size !== said) this.#wrong("half", `import ${id} says that ${said} facts are there, and ${there.size} are`);
      if (!acknowledged) continue;
      if (there.size !== keys.length) this.#wrong("lost", `${there.size} of ${keys.length} facts of import ${id} are there`);
      this.load.imports.delete(tag);
      this.#imported.delete(id);
    }
  }

  #compareRecords(): void {
    const { answers, grants, allowed } = this.load;
    for (const line of this.#newLines()) {
      const { seq, kind, facts_revision: revision, uses = [], answer } = JSON.parse(line) as LogRecord;
      if (seq !== ++this.#seq) this.#wrong("unrecorded", `record ${seq} stands in place ${this.#seq}`);
      if (kind === "facts") {
        // Something that held and wasn't durable.
        if (revision === null) continue;
        if (revision !== ++this.#recorded) this.#wrong("other", `revision ${revision ?? "none"} is on record, not ${this.#recorded}`);
        continue;
      }
      for (const id of uses) this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
      if (answer === undefined) continue;
      const id = answer["decision_id"] as string;
      const told = answers.get(id);
      if (told !== undefined && told !== JSON.stringify(answer)) this.#wrong("unrecorded", `${id} has another record`);
      answers.delete(id);
      if (answer["proceed"] === true && grantsIn(answer).join() !== uses.join()) this.#wrong("other", `${id} counts ${uses.join()}`);
    }
    for (const id of answers.keys()) this.#wrong("unrecorded", `${id} was answered`);
    answers.clear();
    const counted = `${this.#recorded} changes are on record, ${this.#revision} in the store`;
    if (this.#recorded !== this.#revision) this.#wrong(this.#recorded > this.#revision ? "lost" : "unrecorded", counted);
    for (const { id, uses } of grants.values()) {
      const most = Math.max(this.#uses.get(id) ?? 0, allowed.get(id) ?? 0);
      if (most > uses) this.#wrong("over_used", `grant ${id} was used ${most} times of ${uses}`);
    }
  }

  /** Of the records that a start has left, those that came since the last time. */
  *#newLines(): Generator<string> {
    for (const name of this.#segments()) {
      const bytes = readFileSync(join(this.place.records, name));
      const from = this.#read.get(name) ?? 0;
      if (bytes.length < from) this.#wrong("unrecorded", `${name} was ${from} bytes long and is ${bytes.length}`);
      const part = bytes.subarray(from);
      this.#records.update(part);
      this.#read.set(name, bytes.length);
      yield* part.toString().split("\n").slice(0, -1);
    }
  }

  #keepCheckpoint(): void {
    const note = readFileSync(join(this.place.records, CHECKPOINT));
    this.#checkpoints.push({ name: `after kill ${this.#checkpoints.length}`, note });
  }

  #verify(): void {
    const { records: folder } = this.place;
    const keys = logIdentity(folder, {}).verifiers.map(readVerifier);
    const { damage, checkpoint, records } = verifyLog({ folder, keys, elsewhere: this.#checkpoints });
    for (const { message } of damage) this.#wrong("unproven", message);
    if (checkpoint?.size !== records) this.#wrong("unproven", `the checkpoint covers ${checkpoint?.size ?? 0} of ${records} records`);
    this.found.checkpoints = this.#checkpoints.length;
  }

  #segments(): string[] {
    return readdirSync(this.place.records)
      .filter((name) => name.endsWith(".jsonl"))
      .sort();
  }

  async #compareMemory(child: Child, changed: ReadonlySet<string>): Promise<void> {
    const used = this.load.pool.map(({ id }) => `grant/${id}`);
    for (const key of new Set([...changed, ...used])) {
      const { body } = await child.told("GET", pathOf(key));
      this.#compareFact(key, body);
    }
  }

  async #compareAll(child: Child): Promise<void> {
    const keys = new Set(this.facts.keys());
    for (const kind of ["agent", "task", "grant", "revocation"]) {
      for (const fact of await child.all(`/${kind}s`)) {
        const key = `${kind}/${String(fact["id"])}`;
        this.#compareFact(key, fact);
        keys.delete(key);
      }
    }
    for (const key of keys) this.#wrong("lost", `${key} isn't known`);
  }

  #compareFact(key: string, found: Json): void {
    const known = this.facts.get(key);
    if (known === undefined || !isTold(found, known)) this.#wrong("lost", `${key} is ${JSON.stringify(found)}`);
    if (!key.startsWith("grant/")) return;
    const uses = this.#uses.get(key.slice("grant/".length)) ?? 0;
    if (found["used"] !== uses) this.#wrong("over_used", `${key}: ${uses} uses are on record, ${String(found["used"])} known`);
  }

  /** Each agent that has a task is permitted what the store says; and what was revoked is denied. */
  async #compareDecisions(child: Child): Promise<void> {
    const own = [...this.load.ownActions()];
    const asked = own.map(({ body }) => body);
    for (const [i, answer] of (await this.#decide(child, asked)).entries()) {
      const { agent } = own[i] ?? {};
      if (agent === undefined) continue;
      const stopped = this.#stopped(agent.id, agent.owner, agent.task ?? "");
      if (answer["proceed"] === (stopped === null)) continue;
      this.#wrong("other", `${JSON.stringify(answer)} where ${stopped ?? "nothing"} stops it`);
    }
    const { inForce } = this.load;
    const ids = [...inForce.keys()];
    this.found.revocations += ids.length;
    for (const [i, answer] of (await this.#decide(child, [...inForce.values()])).entries()) {
      if (answer["decision"] === "deny") continue;
      this.#wrong("revocations_lost", `${ids[i] ?? ""} is revoked: ${JSON.stringify(answer)}`);
    }
  }

  async #decide(child: Child, actions: Json[]): Promise<Json[]> {
    const found: Json[] = [];
    for (let from = 0; from < actions.length; from += BATCH) {
      const { body, outcome } = await child.told("POST", "/decide/batch", {
        actions: actions.slice(from, from + BATCH),
      });
      if (outcome !== "200") throw new Error(`decisions after a start: ${outcome}`);
      found.push(...(body["answers"] as Json[]));
    }
    for (const answer of found) this.load.answered(answer);
    return found;
  }

  #stopped(agent: string, owner: string, task: string): string | null {
    const value = (key: string): unknown => this.facts.get(key)?.value;
    const status = (value(`agent/${agent}`) as AgentState | undefined)?.status ?? "lost";
    if (status !== "active") return `its agent is ${status}`;
    for (const id of [`agent/${agent}`, `owner/${owner}`, `task/${task}`]) {
      if ((value(`revocation/${id}`) as RevocationState | undefined)?.lifted === null) return `the revocation of ${id}`;
    }
    return (value(`task/${task}`) as TaskState | undefined)?.ended === null ? null : "its task's end";
  }

  async #useUp(child: Child, grant: PooledGrant): Promise<void> {
    for (let most = grant.uses + 1; most > 0; most--) {
      const [answer] = await this.#decide(child, [this.load.useOf(grant)]);
      if (answer?.["proceed"] !== true) return;
    }
  }

  #wrong(kind: Wrong, what: string): void {
    this.found[kind]++;
    if (this.found.violations.length < VIOLATIONS_SHOWN) this.found.violations.push(`${kind}: ${what}`);
  }
}

/** Whether a fact as it was answered is the change that is kept. */
function isTold(answer: Json, { value, revision }: Pick<Event, "value" | "revision">): boolean {
  return answer["revision"] === revision && Object.entries(value).every(([name, one]) => isDeepStrictEqual(answer[name], one));
}

function pathOf(key: string): string {
  const slash = key.indexOf("/");
  return `/${key.slice(0, slash)}s/${key.slice(slash + 1)}`;
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0);
}
