/**
 * Agents and tasks in memory: from a watched file, and tasks that the host creates while the service runs. Those are kept
 * in memory only and are gone after a restart. Facts are replaced, never changed in place, and every change raises
 * `revision` and is recorded before it is acknowledged.
 */
import { readFileSync } from "node:fs";
import type { ValidateFunction } from "ajv";
import {
  Problem,
  SUBJECT_IDS_MAX,
  canonical,
  fieldsSchema,
  isCanonicalId,
  parseTime,
  type ChangeTask,
  type CreateTask,
  type TaskAnswer,
  type Vocabulary,
} from "../contract/index.js";
import type { Agent, Facts, Grant, Log, Task } from "../decision/ports.js";
import type { Clock, Timers } from "../system/index.js";
import { factsDigest, readFacts, taskOf, type FactsContent } from "./file.js";
import { schemas } from "../system/schemas.js";

export interface FactsOptions {
  file: string;
  poll_ms: number;
  /** How long the last good facts serve while the file can't be read. */
  stale_after_ms: number;
  tasks_max: number;
  task_lifetime_max_ms: number;
}

export interface FactsEvents {
  loaded(digest: string, agents: number, tasks: number): void;
  /** The file is missing or invalid; said once per content. */
  refused(reason: string): void;
}

/** Kept so long after their expiry, so that a late question hears `task_expired` and not `task_unknown`. */
const EXPIRED_KEPT_MS = 3_600_000;
const NO_GRANTS: readonly Grant[] = [];

export class FactsFile implements Facts {
  readonly #options: FactsOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: FactsEvents;
  readonly #vocabulary: () => Vocabulary | null;
  #content: FactsContent;
  readonly #created = new Map<string, Task>();
  #revision = 1;
  /** Monotonic time since when the file can't be read; null while it can. */
  #unreadSince: number | null = null;
  #refused = "";
  /** A reload that took hold but isn't recorded yet. */
  #unrecorded: string | null = null;
  /** Changes happen one after another, so that revisions in the log rise with them. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Reads the file and records what was read.
   * @throws YamlError, or the file system's error; Problem where the log takes no record
   */
  static async open(
    options: FactsOptions,
    clock: Clock,
    log: Log,
    events: FactsEvents,
    vocabulary: () => Vocabulary | null,
  ): Promise<FactsFile> {
    const facts = new FactsFile(
      options,
      clock,
      log,
      events,
      vocabulary,
      readFacts(readFileSync(options.file), options.file),
    );
    await facts.#inTurn(() => facts.#recordContent("loaded"));
    return facts;
  }

  private constructor(
    options: FactsOptions,
    clock: Clock,
    log: Log,
    events: FactsEvents,
    vocabulary: () => Vocabulary | null,
    content: FactsContent,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    this.#vocabulary = vocabulary;
    this.#content = content;
    events.loaded(content.digest, content.agents.size, content.tasks.size);
  }

  get revision(): number {
    return this.#revision;
  }

  get stale(): boolean {
    return this.#unreadSince !== null && this.#clock.monotonic() - this.#unreadSince > this.#options.stale_after_ms;
  }

  agent(id: string): Agent | undefined {
    return this.#content.agents.get(id);
  }

  /** A task of the file goes before one that was created: what an operator wrote there holds. */
  task(id: string): Task | undefined {
    return this.#content.tasks.get(id) ?? this.#created.get(id);
  }

  agentOf(): undefined {
    return undefined;
  }

  revoked(): boolean {
    return false;
  }

  reached(): Promise<boolean> {
    return Promise.resolve(false);
  }

  grants(): readonly Grant[] {
    return NO_GRANTS;
  }

  take(): boolean {
    return true;
  }

  giveBack(): void {
    // Nothing is ever taken.
  }

  /** Looks at the file now and then until the returned function is called. */
  watch(timers: Timers): () => void {
    return timers.every(this.#options.poll_ms, () => void this.reload());
  }

  /**
   * Looks at the file and takes what changed, at once: a revocation doesn't wait for the disk. Never throws; a file that
   * can't be read leaves the facts as they are and makes them `stale` in time.
   */
  async reload(): Promise<void> {
    let content: FactsContent;
    try {
      const bytes = readFileSync(this.#options.file);
      // Reading YAML takes a hundred milliseconds a thousand agents, on the thread that decides: only for what is new.
      content = factsDigest(bytes) === this.#content.digest ? this.#content : readFacts(bytes, this.#options.file);
    } catch (cause) {
      this.#unreadSince ??= this.#clock.monotonic();
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (reason !== this.#refused) this.#events.refused(reason);
      this.#refused = reason;
      return;
    }
    this.#unreadSince = null;
    this.#refused = "";
    if (content.digest !== this.#content.digest) {
      this.#content = content;
      this.#revision++;
      this.#unrecorded = content.digest;
      this.#events.loaded(content.digest, content.agents.size, content.tasks.size);
    }
    if (this.#unrecorded === null) return;
    // No decision is answered either while the log takes nothing; the next look tries again.
    await this.#inTurn(() => this.#recordContent("reloaded")).catch(() => undefined);
  }

  /**
   * Creates a task. Repeating it changes nothing and answers the same.
   * @throws Problem `fact_invalid`, `task_exists`, `tasks_full`, `bundle_missing`, and those of the log
   */
  create(request: CreateTask, caller: string): Promise<{ created: boolean; task: TaskAnswer }> {
    return this.#inTurn(async () => {
      const task = this.#checked(request);
      const known = this.task(task.id);
      if (known !== undefined) {
        if (canonical(plain(known)) !== canonical(plain(task))) throw new Problem("task_exists", { field: "/id" });
        return { created: false, task: this.#answer(known) };
      }
      this.#makeRoom();
      // It widens what an agent may do, so it takes hold only once it is on record.
      await this.#record("task_created", caller, task, this.#revision + 1);
      this.#created.set(task.id, task);
      this.#revision++;
      return { created: true, task: this.#answer(task) };
    });
  }

  /**
   * Adds subjects to a task, or ends it. Repeating it changes nothing.
   * @throws Problem `task_not_found`, `fact_invalid`, `bundle_missing`, and those of the log
   */
  async change(id: string, { subjects, ended }: ChangeTask, caller: string): Promise<TaskAnswer> {
    if (ended === true) {
      if (subjects !== undefined)
        throw new Problem("fact_invalid", { field: "/subjects", expected: "not with `ended`" });
      this.#end(id);
      // Again on a repetition, since the first may have failed for the log.
      return this.#inTurn(async () => {
        const task = this.#changeable(id);
        await this.#record("task_ended", caller, task, this.#revision);
        return this.#answer(task);
      });
    }
    return this.#inTurn(async () => {
      const task = this.#changeable(id);
      const next = { ...task, subjects: this.#merged(task, subjects ?? {}) };
      if (canonical(plain(next)) === canonical(plain(task))) return this.#answer(task);
      if (task.ended) throw new Problem("fact_invalid", { field: "/subjects", expected: "a task that has not ended" });
      await this.#record("task_changed", caller, next, this.#revision + 1);
      // It may have been ended while the disk was waited for.
      const changed = { ...next, ended: this.#changeable(id).ended };
      this.#created.set(id, changed);
      this.#revision++;
      return this.#answer(changed);
    });
  }

  /** Narrowing takes hold at once, whatever the disk does. */
  #end(id: string): void {
    const task = this.#changeable(id);
    if (task.ended) return;
    this.#created.set(id, { ...task, ended: true });
    this.#revision++;
  }

  #changeable(id: string): Task {
    if (this.#content.tasks.has(id)) {
      throw new Problem("fact_invalid", {
        field: "/id",
        expected: "a task that was created here; this one is changed in the facts file",
      });
    }
    const task = this.#created.get(id);
    if (task === undefined) throw new Problem("task_not_found");
    return task;
  }

  #checked(request: CreateTask): Task {
    const refuse = (field: string, expected: string): never => {
      throw new Problem("fact_invalid", { field, expected });
    };
    const vocabulary = this.#activeVocabulary();
    const agent = this.#content.agents.get(request.agent) ?? refuse("/agent", "a registered agent");
    if (!agent.purposes.has(request.purpose)) refuse("/purpose", "a purpose that the agent is registered for");
    const now = this.#clock.wall();
    const expires = parseTime(request.expires) ?? refuse("/expires", "an RFC 3339 date-time");
    if (expires <= now || expires > now + this.#options.task_lifetime_max_ms) {
      refuse("/expires", `a time at most ${this.#options.task_lifetime_max_ms} ms from now`);
    }
    for (const verb of request.verbs ?? []) {
      if (!Object.hasOwn(vocabulary.verbs, verb))
        refuse("/verbs", `verbs of the vocabulary: ${Object.keys(vocabulary.verbs).join(", ")}`);
    }
    checkSubjects(vocabulary, request.subjects ?? {}, "/subjects");
    if (typeof request.principal === "string" && !isCanonicalId(request.principal))
      throw new Problem("identifier_not_canonical", { field: "/principal" });
    const validAttributes = attributesValidator(vocabulary);
    if (!validAttributes(request.attributes ?? {})) {
      const [error] = validAttributes.errors ?? [];
      const unknown =
        error?.keyword === "additionalProperties"
          ? `; the vocabulary's are ${Object.keys(vocabulary.task.attributes).join(", ")}`
          : "";
      refuse(
        `/attributes${error?.instancePath ?? ""}`,
        `what the vocabulary says of it: ${error?.message ?? ""}${unknown}`,
      );
    }
    return taskOf(request.id, request, expires);
  }

  #merged(task: Task, added: Record<string, string[]>): Record<string, readonly string[]> {
    if (Object.keys(added).length === 0) return task.subjects;
    checkSubjects(this.#activeVocabulary(), added, "/subjects");
    const subjects: Record<string, readonly string[]> = { ...task.subjects };
    for (const [type, ids] of Object.entries(added)) {
      const merged = [...new Set([...(subjects[type] ?? []), ...ids])];
      if (merged.length > SUBJECT_IDS_MAX) {
        throw new Problem("fact_invalid", {
          field: `/subjects/${type}`,
          expected: `at most ${SUBJECT_IDS_MAX} ids of a type`,
        });
      }
      subjects[type] = merged;
    }
    return subjects;
  }

  #activeVocabulary(): Vocabulary {
    const vocabulary = this.#vocabulary();
    if (vocabulary === null) throw new Problem("bundle_missing");
    return vocabulary;
  }

  #makeRoom(): void {
    if (this.#created.size < this.#options.tasks_max) return;
    const now = this.#clock.wall();
    for (const [id, { expires_ms }] of this.#created) {
      if (expires_ms !== null && expires_ms + EXPIRED_KEPT_MS <= now) this.#created.delete(id);
    }
    if (this.#created.size >= this.#options.tasks_max) throw new Problem("tasks_full");
  }

  async #recordContent(change: "loaded" | "reloaded"): Promise<void> {
    const { digest, agents, tasks } = this.#content;
    await this.#append(change, this.#revision, { digest, agents: agents.size, tasks: tasks.size });
    if (this.#unrecorded === digest) this.#unrecorded = null;
  }

  #record(change: string, caller: string, task: Task, revision: number): Promise<void> {
    return this.#append(change, revision, { caller, task: plain(task) });
  }

  #append(change: string, revision: number, what: object): Promise<void> {
    const time = new Date(this.#clock.wall()).toISOString();
    const members = { v: 1, kind: "facts", time, change, facts_revision: revision, ...what };
    return this.#log.append(JSON.stringify(members).slice(1, -1));
  }

  #answer(task: Task): TaskAnswer {
    return { ...plain(task), facts_revision: this.#revision };
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(act);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function checkSubjects(vocabulary: Vocabulary, subjects: Record<string, string[]>, field: string): void {
  for (const [type, ids] of Object.entries(subjects)) {
    if (!vocabulary.task.subjects.includes(type)) {
      throw new Problem("fact_invalid", {
        field,
        expected: `subject types of the vocabulary: ${vocabulary.task.subjects.join(", ")}`,
      });
    }
    if (!ids.every(isCanonicalId)) throw new Problem("identifier_not_canonical", { field: `${field}/${type}` });
  }
}

const ajv = schemas();
const validators = new WeakMap<Vocabulary, ValidateFunction>();

function attributesValidator(vocabulary: Vocabulary): ValidateFunction {
  let validator = validators.get(vocabulary);
  if (validator === undefined)
    validators.set(vocabulary, (validator = ajv.compile(fieldsSchema(vocabulary.task.attributes))));
  return validator;
}

/** A task as JSON says it. */
function plain(task: Task): Omit<TaskAnswer, "facts_revision"> {
  return {
    id: task.id,
    agent: task.agent,
    purpose: task.purpose,
    principal: task.principal,
    subjects: Object.fromEntries(Object.entries(task.subjects).map(([type, ids]) => [type, [...ids]])),
    attributes: { ...task.attributes },
    verbs: task.verbs === null ? null : [...task.verbs],
    expires: task.expires_ms === null ? null : new Date(task.expires_ms).toISOString(),
    ended: task.ended,
  };
}
