/** Records as an engine in an application hands them in, and a service's side of that in memory. */
import type { Act, ActOutcome, DecisionRecord, HandedIn, Reason } from "../../src/contract/index.js";
import { NOTHING_ODD } from "../../src/contract/index.js";
import type { LogEntry } from "../../src/audit/log/log.js";
import type { Caller } from "../../src/decision/ports.js";
import type { HandedInRecords } from "../../src/service/handed_in_records.js";
import type { Incidents } from "../../src/findings/incidents.js";
import { CALLER } from "../decision/world.js";
import { NOW, decisionId, flag } from "../findings/sightings.js";
import type { Tree } from "./threat.js";

type Json = Record<string, unknown>;

export interface Submitted {
  agent: string;
  reasons?: readonly Reason[];
  /** Time that the engine claims, and that its ids carry. */
  time_ms?: number;
  purpose?: string;
  caller?: string;
}

/** The part of a service that takes engines' records, on a clock of its own. */
export class Receiver {
  now_ms = NOW;
  readonly recorded: DecisionRecord[] = [];
  readonly learned: string[] = [];
  readonly findings = new Set<string>();
  /** Tasks that the service knows. */
  readonly tasks = new Map<string, { agent: string; ended: boolean; parent: string | null }>();
  /** Tasks of which nothing is known any more, since an engine permitted something on them. */
  readonly forgotten: string[] = [];
  incidents!: Incidents;
  #handedIn!: HandedInRecords;
  #seq = 0;
  #minted = 0;

  /** @param registered agents that the service knows */
  static async open(tree: Tree, registered: ReadonlySet<string>): Promise<Receiver> {
    const receiver = new Receiver();
    const [{ HandedInRecords }, { Incidents }] = await Promise.all([tree("service/handed_in_records.js"), tree("findings/incidents.js")]);
    const { recorded, learned } = receiver;
    receiver.incidents = new Incidents();
    const log = {
      get seq() {
        return recorded.length;
      },
      queue: { records: 0, bytes: 0 },
      queue_max: { records: 1000, bytes: 1e6 },
      appendAll: (entries: readonly LogEntry[]): Promise<void> => {
        for (const { before, after } of entries) {
          const record = JSON.parse(`{${before},"seq":${recorded.length + 1},${after}}`) as DecisionRecord;
          recorded.push(record);
          if (record.answer.finding !== undefined) receiver.findings.add(record.answer.finding);
        }
        return Promise.resolve();
      },
    };
    const deps = {
      log,
      search: { indexedTo: 0, ask: () => Promise.resolve("[]") },
      identity: { mayAskFor: () => true },
      profile: {
        learns: true,
        ready: true,
        assess: () => NOTHING_ODD,
        learn: ({ agent, purpose }: Act, _outcome: ActOutcome) => learned.push(`${agent} for ${purpose}`),
        unrecorded: () => undefined,
      },
      outcomes: { knows: () => false, remember: () => undefined },
      incidents: receiver.incidents,
      isFinding: (id: string) => receiver.findings.has(id),
      isKnown: (agent: string, purpose: string) => ({ agent: registered.has(agent), purpose: purpose === "support" }),
      newId: () => decisionId(receiver.now_ms, 1_000_000 + ++receiver.#minted),
      clock: { wall: () => receiver.now_ms },
      time_skew_max_ms: 60_000,
      settled: () => undefined,
      findTask: (id: string) => receiver.tasks.get(id),
      elsewhere: (task: string) => receiver.forgotten.push(task),
    };
    receiver.#handedIn = new HandedInRecords(deps as unknown as ConstructorParameters<typeof HandedInRecords>[0]);
    return receiver;
  }

  /** @param change of each record before it is handed in */
  take(all: readonly Submitted[], origin = "engine-1", change = (record: Json): Json => record): Promise<HandedIn> {
    const records = all.map((one) => ({ record: change(this.#record(one)) }));
    const caller: Caller = { ...CALLER, id: all[0]?.caller ?? "engine" };
    return this.#handedIn.take(caller, { origin, records });
  }

  #record({
    agent,
    reasons = [flag("noticed")],
    time_ms = this.now_ms,
    purpose = "support",
    caller = "engine",
  }: Submitted): Record<string, unknown> {
    const seq = ++this.#seq;
    const id = decisionId(time_ms, seq);
    const time = new Date(time_ms).toISOString();
    const isFlagged = reasons.some(({ effect }) => effect === "flag");
    const context = { session: null, source: null };
    const resource = { id: "I-1", type: "invoice", attributes: {} };
    const policy = { bundle: "b", revision: "1", sequence: 1, digest: `sha256:${"0".repeat(64)}` };
    return {
      ...{ seq, v: 2, kind: "decision", time, asked: time, caller, previous: null },
      stages: { evaluate_us: 1, read_us: 1 },
      act: { class: "read", relation: "task" },
      answer: {
        ...{ decision: isFlagged ? "flag" : "allow", proceed: true, reasons, obligations: [], decision_id: id },
        ...{ action_digest: `sha256:${"0".repeat(64)}`, valid_for_ms: 1000, policy, facts_revision: 1 },
        ...(isFlagged && { finding: `F-${id}` }),
      },
      input: {
        request: { agent, purpose, verb: "read", task: null, resource, related: {}, context, arguments: {} },
        facts: {
          agent: { attributes: {}, id: agent, owner: "o", version: "1" },
          ...{ caller: { id: caller }, grants: [], principal: null, flow: null, behavior: NOTHING_ODD },
          task: { attributes: {}, depth: 0, id: null, root: null, subjects: {} },
          time: { claim_ms: null, ms: time_ms },
        },
      },
    };
  }
}
