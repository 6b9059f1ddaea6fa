/**
 * One decision, start to end. `decide` reads as the list in `docs/architecture.md`; whatever goes wrong on the way is a
 * problem (nothing was decided) or a deny (recorded), never an allow.
 */
import { hash } from "node:crypto";
import { Problem, pointerToken, type Answer, type Reason } from "../contract/index.js";
import type { System } from "../system/index.js";
import { uuid7 } from "../system/uuid.js";
import { conclude, concludeFloor, type Conclusion } from "./conclude.js";
import { floor } from "./floor.js";
import { gather, inputText, restOnTheSame, type Gathered } from "./gather.js";
import type { ActivePolicy, Caller, Engine, Facts, Identity, Log } from "./ports.js";
import { readAction, type Action } from "./read.js";
import { scan, type ScanLimits } from "./scan.js";
import { vocabularyReader, type VocabularyReader } from "./values.js";

export interface DecisionLimits extends ScanLimits {
  batch_actions_max: number;
  /** How far a claimed time may be from the host's clock, either way. */
  time_skew_max_ms: number;
  /** How long a flag that waits may wait. */
  approval_wait_ms: number;
}

export interface Pdp {
  system: Pick<System, "clock" | "random">;
  identity: Identity;
  engine: Engine;
  facts: Facts;
  log: Log;
  limits: DecisionLimits;
}

/** `observed`: it has happened, and is judged all the same. */
export type Kind = "decision" | "observed";

/** Milliseconds that each stage took. */
export interface Stages {
  read: number;
  evaluate: number;
  record: number;
}

export interface Decided {
  answer: Answer;
  /** The answer as JSON, as it stands in the record. */
  text: string;
  /** The purpose as the bundle knows it, null where it doesn't: safe as a metric's label. */
  purpose: string | null;
  stages: Stages;
}

/** Decides actions. `asked` is an HTTP body and its `Authorization` header. */
export interface Decider {
  /** @throws Problem */
  decide: (body: Buffer, authorization: string | undefined) => Promise<Decided>;
  /** In order, each with its own id and record; one malformed item refuses the whole. @throws Problem */
  decideBatch: (body: Buffer, authorization: string | undefined) => Promise<Decided[]>;
  /** For a caller already proven and JSON already parsed. @throws Problem */
  decideAction: (asked: unknown, caller: Caller, kind: Kind) => Promise<Decided>;
}

/** What a decision came to, and what it rests on. `input` is null where the floor refused and no policy was asked. */
interface Concluded {
  gathered: Gathered;
  input: string | null;
  conclusion: Conclusion;
}

/** Facts that keep moving under one decision: after so many tries it is given up. */
const GATHER_TRIES_MAX = 8;

export function decider(pdp: Pdp): Decider {
  const { clock } = pdp.system;
  const newId = uuid7(clock, pdp.system.random);
  const vocabularyOf = vocabularyCache();

  async function decide(body: Buffer, authorization: string | undefined): Promise<Decided> {
    const began = clock.monotonic();
    const text = scan(body, pdp.limits);
    const caller = pdp.identity.authenticate(authorization, "remit:decide");
    const policy = activePolicy();
    const action = readAction(JSON.parse(text), vocabularyOf(policy));
    return judge(action, caller, policy, "decision", began);
  }

  async function decideBatch(body: Buffer, authorization: string | undefined): Promise<Decided[]> {
    const began = clock.monotonic();
    const text = scan(body, pdp.limits);
    const caller = pdp.identity.authenticate(authorization, "remit:decide");
    const policy = activePolicy();
    const actions = readBatch(JSON.parse(text), vocabularyOf(policy), pdp.limits.batch_actions_max);
    actions.forEach(checkSeen);
    const read = clock.monotonic();
    // The policy is asked about all in one go; they are recorded in order, and only the disk is waited for together.
    const conclusions = await Promise.all(actions.map((action) => conclusionOn(action, caller, policy)));
    const decided: Promise<Decided>[] = [];
    for (const [i, action] of actions.entries()) {
      const asked = conclusions[i];
      // Each is recorded on the facts of its own moment: what moved since it was asked is asked about again.
      const stands = asked?.gathered.revision === pdp.facts.revision;
      const concluded = stands ? asked : await conclusionOn(action, caller, policy);
      const one = record(action, caller, policy, "decision", concluded, { began, read });
      // Whoever fails is met at the end; until then it must not count as a rejection that nobody handles.
      one.catch(() => undefined);
      decided.push(one);
    }
    return Promise.all(decided);
  }

  async function decideAction(asked: unknown, caller: Caller, kind: Kind): Promise<Decided> {
    const began = clock.monotonic();
    const policy = activePolicy();
    return judge(readAction(asked, vocabularyOf(policy)), caller, policy, kind, began);
  }

  /** Everything after reading. One policy from here to the answer, whatever is activated meanwhile. */
  async function judge(
    action: Action,
    caller: Caller,
    policy: ActivePolicy,
    kind: Kind,
    began: number,
  ): Promise<Decided> {
    const read = clock.monotonic();
    checkSeen(action);
    return record(action, caller, policy, kind, await conclusionOn(action, caller, policy), { began, read });
  }

  /** Hands the record to the log at once, so that records are in the order of the calls; resolves when it is on disk. */
  async function record(
    action: Action,
    caller: Caller,
    policy: ActivePolicy,
    kind: Kind,
    { gathered, input, conclusion }: Concluded,
    { began, read }: { began: number; read: number },
  ): Promise<Decided> {
    const evaluated = clock.monotonic();
    const answer = answerOf(newId(), action, policy, gathered, conclusion);
    const text = JSON.stringify(answer);
    await pdp.log.append(recordBody(kind, action, caller, gathered, input, text));
    return {
      answer,
      text,
      purpose: gathered.situation.purpose === undefined ? null : action.request.purpose,
      stages: { read: read - began, evaluate: evaluated - read, record: clock.monotonic() - evaluated },
    };
  }

  function checkSeen(action: Action): void {
    if (pdp.facts.revision < action.at_least) throw new Problem("facts_behind", { field: "/at_least" });
  }

  /** Gathers, asks the floor, evaluates and concludes; again where what it rests on moved while the policy was asked. */
  async function conclusionOn(action: Action, caller: Caller, policy: ActivePolicy): Promise<Concluded> {
    let gathered = gatherNow(action, caller, policy);
    for (let tries = 0; tries < GATHER_TRIES_MAX; tries++) {
      const { situation } = gathered;
      const scene = { action, caller, situation };
      const refused = floor(situation);
      if (refused !== null) return { gathered, input: null, conclusion: concludeFloor(refused, policy, scene) };
      if (situation.agent === undefined) throw new Error("the floor let an unknown agent pass");
      const input = inputText(action, caller, situation.agent, gathered, vocabularyOf(policy));
      const evaluation = await policy.evaluate(input);
      const now = pdp.facts.revision === gathered.revision ? gathered : gatherNow(action, caller, policy);
      if (restOnTheSame(gathered, now)) {
        // Others' facts may have moved: this decision has seen them, and would be the same.
        const { revision } = now;
        return { gathered: { ...gathered, revision }, input, conclusion: conclude(evaluation, policy, scene) };
      }
      gathered = now;
    }
    throw new Problem("facts_behind");
  }

  function gatherNow(action: Action, caller: Caller, policy: ActivePolicy): Gathered {
    return gather(action, caller, policy, {
      identity: pdp.identity,
      facts: pdp.facts,
      now_ms: clock.wall(),
      time_skew_max_ms: pdp.limits.time_skew_max_ms,
    });
  }

  function answerOf(
    decisionId: string,
    action: Action,
    policy: ActivePolicy,
    { revision, situation }: Gathered,
    { decision, proceed, reasons, tell_agent, obligations, wait }: Conclusion,
  ): Answer {
    const lasts = situation.purpose?.answer_lasts_ms ?? 0;
    const left = (situation.task?.expires_ms ?? Infinity) - situation.now_ms;
    // Member by member: spreading costs more than everything else here. What is undefined isn't written.
    const answer: Answer = {
      decision,
      proceed,
      reasons,
      obligations,
      decision_id: decisionId,
      action_digest: `sha256:${hash("sha256", action.canonical)}`,
      valid_for_ms: Math.max(0, Math.min(lasts, left)),
      policy: policy.identity,
      facts_revision: revision,
    };
    if (tell_agent !== undefined) answer.tell_agent = tell_agent;
    if (wait !== null) {
      answer.wait = { ...wait, until: new Date(situation.now_ms + pdp.limits.approval_wait_ms).toISOString() };
    }
    if (action.request_id !== null) answer.request_id = action.request_id;
    if (decision !== "deny" && opensFinding(reasons)) answer.finding = `F-${decisionId}`;
    return answer;
  }

  function activePolicy(): ActivePolicy {
    const { active } = pdp.engine;
    if (active === null) throw new Problem("bundle_missing");
    if (expired(active, clock.wall())) throw new Problem("bundle_expired");
    return active;
  }

  return { decide, decideBatch, decideAction };
}

function opensFinding(reasons: readonly Reason[]): boolean {
  return reasons.some(({ effect }) => effect === "log" || effect === "flag");
}

/** Whether it may not decide any more. Trusting it for longer would let whoever withholds its successor keep it in force. */
export function expired({ expires_ms }: ActivePolicy, nowMs: number): boolean {
  return expires_ms !== null && nowMs >= expires_ms;
}

/** One reader a policy: putting it together costs more than a decision. */
function vocabularyCache(): (policy: ActivePolicy) => VocabularyReader {
  const readers = new WeakMap<ActivePolicy, VocabularyReader>();
  return (policy) => {
    let reader = readers.get(policy);
    if (reader === undefined) readers.set(policy, (reader = vocabularyReader(policy.vocabulary)));
    return reader;
  };
}

function readBatch(asked: unknown, vocabulary: VocabularyReader, itemsMax: number): Action[] {
  if (typeof asked !== "object" || asked === null || Array.isArray(asked)) {
    throw new Problem("field_type", { field: "", expected: "an object" });
  }
  const unknown = Object.keys(asked).find((key) => key !== "actions");
  if (unknown !== undefined) {
    throw new Problem("field_unknown", { field: `/${pointerToken(unknown)}`, expected: "only `actions`" });
  }
  const { actions } = asked as { actions?: unknown };
  if (actions === undefined) throw new Problem("field_missing", { field: "/actions", expected: "a list of actions" });
  if (!Array.isArray(actions)) throw new Problem("field_type", { field: "/actions", expected: "a list of actions" });
  if (actions.length === 0 || actions.length > itemsMax) {
    throw new Problem("field_invalid", { field: "/actions", expected: `1 to ${itemsMax} actions` });
  }
  return actions.map((action: unknown, item) => {
    try {
      return readAction(action, vocabulary);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      const field = `/actions/${item}${cause.detail.field ?? ""}`;
      throw new Problem(cause.code, { ...cause.detail, field, item }, { cause });
    }
  });
}

/**
 * The record's members as JSON text. `input` is, to the byte, what the policy was asked; below the floor it was asked
 * nothing, and the record keeps the request and what the floor read instead.
 */
function recordBody(
  kind: Kind,
  action: Action,
  caller: Caller,
  { situation }: Gathered,
  input: string | null,
  answer: string,
): string {
  const { agent, task, purpose, ...read } = situation;
  const subject =
    input === null
      ? `"request":${JSON.stringify(action.request)},"floor":${JSON.stringify({
          ...read,
          purpose_known: purpose !== undefined,
          agent: agent === undefined ? null : { status: agent.status, purposes: [...agent.purposes] },
          task:
            task === undefined
              ? null
              : {
                  agent: task.agent,
                  purpose: task.purpose,
                  ended: task.ended,
                  expires_ms: task.expires_ms,
                  verbs: task.verbs === null ? null : [...task.verbs],
                },
        })}`
      : `"input":${input}`;
  return (
    `"v":1,"kind":"${kind}","time":"${isoText(situation.now_ms)}",` +
    `"caller":${JSON.stringify(caller.id)},${subject},"answer":${answer}`
  );
}

let lastMs = NaN;
let lastText = "";

/** RFC 3339. Kept for the millisecond, which many decisions share. */
function isoText(ms: number): string {
  if (ms !== lastMs) [lastMs, lastText] = [ms, new Date(ms).toISOString()];
  return lastText;
}
