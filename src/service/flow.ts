/** Memory of what tasks have seen, as the records say it: a start reads them, so that a task goes on where it was. */
import { chainedIn } from "../audit/log/chained_tasks.js";
import { BesideLines, type LineReference } from "../audit/log/beside.js";
import { readLines, type Line } from "../audit/log/record_lines.js";
import type { DecisionRecord, OutcomeRecord, PolicyInput, TaskState } from "../contract/index.js";
import type { ActivePolicy, FlowOutcomes, FlowQuestion, Task, ValueFlow } from "../decision/ports.js";
import type { TaskWatch } from "../facts/commands.js";
import { Flow } from "../flow/flow.js";
import { loadReaders } from "../flow/values.js";

/** Part of a bundle that says whether there is anything to remember. */
export type FlowWords = Pick<ActivePolicy, "vocabulary" | "purposes">;

/** Flow as a service wires it, alone or as a node of a cluster. */
export interface WiredFlow {
  readonly port: ValueFlow;
  readonly outcomes: FlowOutcomes;
  /** Entries that are taken of each of its bounds. */
  readonly size: Flow["size"];
  /** Memory that changes of tasks have to be told of before they are durable; null: they are heard of afterwards. */
  readonly watch: TaskWatch | null;
  /** Takes the bundle that a start finds. */
  start(policy: FlowWords | null): void;
  /** Takes a bundle that comes later. */
  activated(policy: FlowWords): void;
  /** An engine elsewhere has permitted something on this task: what its agent has read since nobody here knows. */
  elsewhere(task: string): void;
  /** A person has lowered labels of a task. */
  lowered(task: string, labels: readonly string[]): void;
  /** Drops the memory of a task that is over. */
  ended(task: string): void;
}

export function hasWords({ vocabulary, purposes }: FlowWords): boolean {
  return vocabulary.flow !== undefined || [...purposes.values()].some(({ limits }) => limits !== undefined);
}

const LOWERED = Buffer.from('"change":"task_labels_lowered"');
const OUTCOME = Buffer.from('"kind":"outcome"');
const KNOWN = Buffer.from('"flow":{"arguments":');
const PROCEEDED = Buffer.from('"proceed":true');
const OBSERVED = Buffer.from('"kind":"observed"');
const ENGINE = Buffer.from('"engine":{');
const DECISION = Buffer.from('"answer":{"action_digest":"');
/** Arguments that stand in records as digests: nobody can tell what was written. */
const MASKED_ARGUMENT = /^\/input\/request\/(?:arguments|resource\/id)/;

type RecalledRecord = DecisionRecord | OutcomeRecord | { kind: "facts"; change: string; task: TaskState };

/** Looks a task up among the facts. */
export type FindTask = (id: string) => Task | undefined;

const isLive = (task: Task | undefined): task is Task => task?.ended === false;

function emptyFlow(find: FindTask): Flow {
  return new Flow({ isOver: (task) => !isLive(find(task)) });
}

/** Returns what the records of a folder say that tasks have seen. */
function recallFlow(folder: string, policy: FlowWords, find: FindTask): Flow {
  const flow = emptyFlow(find);
  const beside = new BesideLines(folder);
  try {
    for (const line of readLines(folder)) recall(line, beside, flow, policy, find);
  } finally {
    beside.close();
  }
  return flow;
}

function recall(line: Line, beside: BesideLines, flow: Flow, policy: FlowWords, find: FindTask): void {
  const { bytes } = line;
  // An argument may have a member of that name and text: then the line is none of these, and is read on.
  const special = bytes.includes(LOWERED) || bytes.includes(OUTCOME) ? (whole(line, beside) as RecalledRecord | null) : null;
  if (special?.kind === "facts") {
    if (special.change === "task_labels_lowered") flow.lowered(special.task.id, special.task.lowered?.labels ?? []);
    return;
  }
  if (special?.kind === "outcome") {
    if (special.outcome === "done") flow.done(special.decision_id)?.lower();
    if (special.seen !== undefined) flow.recalled(special.decision_id, special.seen);
    if (special.outcome === "not_attempted") flow.notMade(special.decision_id);
    return;
  }
  // What was denied has told its agent nothing.
  if (!bytes.includes(DECISION) || !(bytes.includes(PROCEEDED) || bytes.includes(OBSERVED))) return;
  const isEngines = bytes.includes(ENGINE);
  const record = bytes.includes(KNOWN) || isEngines || bytes.includes('"beside":{') ? whole(line, beside) : null;
  const decided = record?.kind === "decision" || record?.kind === "observed" ? record : null;
  const input = decided?.input as PolicyInput | undefined;
  if (decided === null || input === undefined || input.facts.flow === null || decided.engine !== undefined) {
    // It was decided where nobody remembers what is read, and whatever that was may be used now. An engine's word isn't taken for it.
    const task = input?.facts.task.root ?? chainedIn(bytes)?.task ?? null;
    if (task !== null) flow.forget(task);
    return;
  }
  const { kind, answer } = decided;
  if (!answer.proceed && kind !== "observed") return;
  const { question, isMasked } = questionOf(decided, input, policy, find);
  const { masked = [] } = decided;
  const { note } = flow.ask(question, { masked, seen: input.facts.flow });
  if (note !== null) flow.permitted(answer.decision_id, note, decided.seen);
  // It was counted as far as the record tells; what it wrote and read nobody knows.
  if (isMasked && question.root !== null) flow.forget(question.root.id);
}

/** Returns what a record's action asks of flow, and whether that is masked. */
function questionOf(
  { ancestors, masked = [] }: DecisionRecord,
  input: PolicyInput,
  { vocabulary, purposes }: FlowWords,
  find: FindTask,
): { question: FlowQuestion; isMasked: boolean } {
  const { request } = input;
  const { agent, time } = input.facts;
  const { id, attributes } = ((ancestors?.at(-1) ?? input) as unknown as PolicyInput).facts.task;
  const task = id === null ? undefined : find(id);
  const root = isLive(task) ? { id: task.id, agent: task.agent, attributes, ...(task.plan !== undefined && { plan: task.plan }) } : null;
  const question = { vocabulary, purpose: purposes.get(request.purpose), request, root, agent, now_ms: time.ms };
  return { question, isMasked: masked.some((pointer) => MASKED_ARGUMENT.test(pointer)) };
}

/** Returns what an earlier process of this service has asked of flow before it permitted something; null: the record doesn't say. */
export function permittedBefore(record: DecisionRecord, policy: FlowWords, find: FindTask): FlowQuestion | null {
  const input = record.input as PolicyInput | undefined;
  if (input === undefined || !record.answer.proceed || input.facts.flow === null || record.engine !== undefined) return null;
  const { question, isMasked } = questionOf(record, input, policy, find);
  return isMasked ? null : question;
}

/** A record with what stands beside it; null where that isn't there, or the line isn't whole. */
function whole({ bytes, segment }: Line, beside: BesideLines): (DecisionRecord | OutcomeRecord) | null {
  try {
    const record = JSON.parse(bytes.toString("utf8")) as DecisionRecord | OutcomeRecord;
    const named: LineReference | undefined = record.beside;
    if (named === undefined) return record;
    const text = beside.text(segment, named);
    return text === null ? null : { ...record, ...(JSON.parse(text) as object) };
  } catch (cause) {
    if (cause instanceof SyntaxError) return null;
    throw cause;
  }
}

export interface ServiceFlowOptions {
  /** The log's. */
  folder: string;
  find: FindTask;
  /** All that are known: what they saw before anybody watched is unknown. */
  tasks: () => Iterable<Task>;
}

/** The flow of a service that runs alone. What it doesn't know of a task is unknown, and never taken for nothing. */
export class ServiceFlow implements WiredFlow {
  readonly watch = null;
  #flow: Flow;
  /** True: every action on a task is noted. Else only those that a limit counts, and those on a task with a plan. */
  #watching = false;
  readonly #options: ServiceFlowOptions;

  constructor(options: ServiceFlowOptions) {
    this.#options = options;
    this.#flow = emptyFlow(options.find);
  }

  get size(): Flow["size"] {
    return this.#flow.size;
  }

  /** Reads the records if anything may be asked of them. Without a bundle nobody can read them: whatever is live is unknown. */
  start(policy: FlowWords | null): void {
    const { folder, find, tasks } = this.#options;
    if (policy === null) this.#forget(() => true);
    else if (hasWords(policy) || [...tasks()].some((task) => isLive(task) && task.plan !== undefined)) {
      loadReaders();
      this.#flow = recallFlow(folder, policy, find);
    }
    this.#watching = policy?.vocabulary.flow !== undefined;
  }

  /** Takes the words of a bundle. As they begin, nobody knows what tasks have seen before: only those with a plan were watched. */
  activated(policy: FlowWords): void {
    if (hasWords(policy)) loadReaders();
    const words = policy.vocabulary.flow !== undefined;
    if (words && !this.#watching) this.#forget(({ plan }) => plan === undefined);
    this.#watching = words;
  }

  elsewhere(task: string): void {
    this.#flow.forget(task);
  }

  lowered(task: string, labels: readonly string[]): void {
    this.#flow.lowered(task, labels);
  }

  ended(task: string): void {
    this.#flow.end(task);
  }

  readonly port: Pick<Flow, "ask" | "permitted" | "seenIn" | "done" | "returned" | "notMade"> = {
    ask: (question) => this.#flow.ask(question),
    permitted: (id, note, seen) => {
      this.#flow.permitted(id, note, seen);
    },
    seenIn: (id, note, returned) => this.#flow.seenIn(id, note, returned),
    done: (id) => this.#flow.done(id),
    returned: (id, returned) => this.#flow.returned(id, returned),
    notMade: (id) => {
      this.#flow.notMade(id);
    },
  };

  get outcomes(): FlowOutcomes {
    return this.port;
  }

  #forget(which: (task: Task) => boolean): void {
    for (const task of this.#options.tasks()) if (isLive(task) && which(task)) this.#flow.forget(task.id);
  }
}
