/**
 * One decision, start to end. `decide` reads as the list in `docs/architecture.md`; whatever goes wrong on the way is a
 * problem (nothing was decided) or a deny (recorded), never an allow.
 */
import { NOTHING_ODD, Problem, type Answer, type PolicyInput } from "../contract/index.js";
import { uuid7 } from "../system/uuid.js";
import { actOf, actText, isItsOwn, outcomeOf, type Noticed } from "./act.js";
import { isSameAssessment } from "./assessed.js";
import { Chain } from "./chain.js";
import { conclude, concludeFloor, unasked, type Conclusion, type Judged } from "./conclude.js";
import { evaluateAll, evaluateEach } from "./evaluate.js";
import { floor } from "./floor.js";
import { gather, inputText, restOnTheSame, type Asker, type Gathered } from "./gather.js";
import type { ActivePolicy, AgentProof, Caller, Evaluation, TaskProof } from "./ports.js";
import { readAction, type Action } from "./read.js";
import { readActions, readBatch } from "./read_batch.js";
import { answerText, recordText, type Happened, type Kind, type Recorded } from "./record.js";
import { scan } from "./scan.js";
import type { Begun, Concluded, Decided, Decider, Heard, Moments, Pdp, Settled, Steps, Times, Written } from "./steps.js";
import { Turns } from "./turns.js";
import { vocabularyReader, type VocabularyReader } from "./values.js";

export type * from "./steps.js";

/** Facts that keep moving under one decision: after so many tries it is given up. */
export const TRIES_MAX = 8;

export function decider(pdp: Pdp): Decider {
  const { clock } = pdp.system;
  const { facts, identity, profile } = pdp;
  const newId = uuid7(clock, pdp.system.random);
  const vocabularyOf = vocabularyCache();
  const taskProof = (token: string): TaskProof => identity.taskProof(token);
  const chain = pdp.chain ?? new Chain(pdp.limits.chained_tasks_max);
  const turns = new Turns();

  async function decide(body: Buffer, authorization: string | undefined): Promise<Decided> {
    const [asked, began] = [clock.wall(), clock.monotonic()];
    const text = scan(body, pdp.limits);
    const proven = identity.authenticate(authorization, "remit:decide");
    const caller = proven instanceof Promise ? await proven : proven;
    const policy = activePolicy();
    const action = readAction(JSON.parse(text), vocabularyOf(policy), taskProof);
    return one(action, caller, policy, "decision", asked, began);
  }

  async function decideBatch(body: Buffer, authorization: string | undefined): Promise<Decided[]> {
    const [asked, began] = [clock.wall(), clock.monotonic()];
    const text = scan(body, pdp.limits);
    const proven = identity.authenticate(authorization, "remit:decide");
    const caller = proven instanceof Promise ? await proven : proven;
    const policy = activePolicy();
    const actions = readBatch(JSON.parse(text), vocabularyOf(policy), pdp.limits.batch_actions_max, taskProof);
    const ready = await readied(actions, caller);
    return all(ready, policy, { asked, began, read: clock.monotonic() });
  }

  /** With who asks: at once where nothing has to be waited for, as for most. */
  function readied(actions: readonly Action[], caller: Caller): readonly Ready[] | Promise<Ready[]> {
    if (actions.every(needsNothing)) return actions.map((action) => ({ action, asker: bare(caller) }));
    return Promise.all(actions.map(async (action) => ({ action, asker: await askerOf(action, caller) })));
  }

  /** The policy is asked about all in one go; each is settled and recorded in its turn, and only the disk is waited for together. */
  async function all(ready: readonly Ready[], policy: ActivePolicy, times: Moments): Promise<Decided[]> {
    const begun = ready.map(({ action, asker }) => begin(action, asker, policy, null));
    const evaluations = await evaluateEach(policy, begun);
    const decided: Promise<Decided>[] = [];
    for (const [i, { action, asker }] of ready.entries()) {
      const asked = begun[i];
      if (asked === undefined) throw new Error("it was not asked");
      const first = finish(asked, evaluations[i] ?? NO_EVALUATIONS, action, asker, policy);
      // Who has to wait for its turn may still stand then; what doesn't stand has to be asked again.
      const waits = turns.isTaken(action.request.agent);
      const atOnce = waits ? null : handOver(action, asker, policy, "decision", first, times);
      const handed = atOnce ?? (await settle(action, asker, policy, "decision", times, waits ? first : null));
      handled(handed.decided);
      decided.push(handed.decided);
    }
    return Promise.all(decided);
  }

  async function decideAll(given: readonly unknown[], caller: Caller): Promise<Decided[]> {
    const [asked, began] = [clock.wall(), clock.monotonic()];
    const policy = activePolicy();
    const actions = readActions(given, vocabularyOf(policy), pdp.limits.batch_actions_max, taskProof);
    const ready = await readied(actions, caller);
    return all(ready, policy, { asked, began, read: clock.monotonic() });
  }

  async function hear(body: Buffer, authorization: string | undefined): Promise<Heard> {
    const text = scan(body, pdp.limits);
    const proven = identity.authenticate(authorization, "remit:decide");
    const caller = proven instanceof Promise ? await proven : proven;
    return { asked: JSON.parse(text), caller };
  }

  async function decideAction(
    given: unknown,
    caller: Caller,
    kind: Kind,
    adapter: string | null = null,
    proof: AgentProof | null = null,
  ): Promise<Decided> {
    const [asked, began] = [clock.wall(), clock.monotonic()];
    const policy = activePolicy();
    return one(actionOf(given, policy, adapter), caller, policy, kind, asked, began, proof);
  }

  async function decideActions(given: readonly unknown[], caller: Caller, adapter: string): Promise<(Decided | Problem)[]> {
    const [asked, began] = [clock.wall(), clock.monotonic()];
    const policy = activePolicy();
    const read = await Promise.all(
      given.map(async (item): Promise<Ready | Problem> => {
        try {
          const action = actionOf(item, policy, adapter);
          return { action, asker: await askerOf(action, caller) };
        } catch (cause) {
          if (cause instanceof Problem) return cause;
          throw cause;
        }
      }),
    );
    const ready = read.filter((item): item is Ready => !(item instanceof Problem));
    const decided = (await all(ready, policy, { asked, began, read: clock.monotonic() })).values();
    return read.map((item) => (item instanceof Problem ? item : next(decided)));
  }

  function actionOf(given: unknown, policy: ActivePolicy, adapter: string | null): Action {
    const read = readAction(given, vocabularyOf(policy), taskProof);
    read.adapter = adapter;
    return read;
  }

  /** Everything after reading. One policy from here to the answer, whatever is activated meanwhile. */
  async function one(
    action: Action,
    caller: Caller,
    policy: ActivePolicy,
    kind: Kind,
    asked: number,
    began: number,
    proof: AgentProof | null = null,
  ): Promise<Decided> {
    const own = needsNothing(action) ? bare(caller) : await askerOf(action, caller);
    const asker = proof === null || own.agent_proof !== null ? own : { caller, agent_proof: proof };
    const read = clock.monotonic();
    const { decided } = await settle(action, asker, policy, kind, { asked, began, read });
    return decided;
  }

  function needsNothing({ agent_token, at_least }: Action): boolean {
    return agent_token === null && at_least <= facts.revision;
  }

  /** Waits for what has to be known first: the agent's proof, and facts as new as the caller has seen them. */
  async function askerOf(action: Action, caller: Caller): Promise<Asker> {
    if (facts.revision < action.at_least && !(await facts.reached(action.at_least))) {
      throw new Problem("facts_behind", { field: "/at_least" });
    }
    const agent_proof = action.agent_token === null ? null : await identity.agentProof(action.agent_token);
    return { caller, agent_proof };
  }

  /**
   * Asks until the answer stands on what is so in the moment in which its record is handed over: what moved since it was
   * asked is asked about again.
   * @param first what it came to, and has not been handed over; left out: it has to be asked
   */
  async function settle(
    action: Action,
    asker: Asker,
    policy: ActivePolicy,
    kind: Kind,
    times: Moments,
    first: Concluded | null = null,
  ): Promise<Settled> {
    const { agent } = action.request;
    let leave = turns.isTaken(agent) ? await turns.enter(agent) : null;
    try {
      let concluded = first ?? (await ask(action, asker, policy));
      for (let tries = 1; ; tries++) {
        // Whoever waits for its turn must not find that it has moved once more.
        if (leave === null && turns.isTaken(agent)) leave = await turns.enter(agent);
        const handed = handOver(action, asker, policy, kind, concluded, times);
        if (handed !== null) return handed;
        if (tries === TRIES_MAX) throw new Problem("facts_behind");
        leave ??= await turns.enter(agent);
        concluded = await ask(action, asker, policy);
      }
    } finally {
      leave?.();
    }
  }

  /** Nothing else runs meanwhile: nothing can move, and no use of a grant be taken twice. Null where it doesn't stand any more. */
  function handOver(action: Action, asker: Asker, policy: ActivePolicy, kind: Kind, concluded: Concluded, times: Moments): Settled | null {
    // What has happened takes nothing from what may still happen.
    if (kind === "observed") concluded.uses = NONE;
    const stood = stands(concluded, action, asker, policy) && takes(concluded, kind);
    return stood ? { decided: onDisk(record(action, asker, policy, kind, concluded, times)) } : null;
  }

  /** Takes what is counted, all or nothing: uses of grants, and one action of each agent that is narrowed. */
  function takes({ gathered: { levels }, conclusion, uses }: Concluded, kind: Kind): boolean {
    if (!facts.take(uses)) return false;
    if (!conclusion.proceed || kind === "observed") return true;
    if (levels.every(({ situation: { narrowed } }) => narrowed === null)) return true;
    const narrowed = levels.flatMap(({ situation: { agent_id, narrowed } }) => (narrowed === null ? [] : [agent_id]));
    if (facts.spend([...new Set(narrowed)], levels[0].situation.now_ms)) return true;
    facts.giveBack(uses);
    return false;
  }

  /** Gathers, asks the floor, evaluates and concludes. */
  async function ask(action: Action, asker: Asker, policy: ActivePolicy, happened: Happened | null = null): Promise<Concluded> {
    const begun = begin(action, asker, policy, happened);
    const evaluations = begun.refused === null ? await evaluateAll(policy, begun.inputs) : NO_EVALUATIONS;
    return finish(begun, evaluations, action, asker, policy);
  }

  function begin(action: Action, asker: Asker, policy: ActivePolicy, happened: Happened | null): Begun {
    const gathered = gatherNow(action, asker, policy);
    const { caller } = asker;
    const own = action.request.task;
    const vocabulary = vocabularyOf(policy);
    for (const { situation } of gathered.levels) {
      const refused = floor(situation);
      if (refused === null) continue;
      const conclusion = concludeFloor(refused, policy, { action, caller, situation, vocabulary }, own);
      const act = actOf(action, gathered, policy, pdp.masks, happened, null);
      return { gathered, inputs: NONE, refused: conclusion, noticed: notice(act, isItsOwn(refused)) };
    }
    const textOf = (level: number, assessed = NOTHING_ODD): string => inputText(action, asker, gathered, level, vocabulary, assessed);
    const input = (): PolicyInput => JSON.parse(textOf(0)) as PolicyInput;
    const noticed = notice(actOf(action, gathered, policy, pdp.masks, happened, input), true);
    const inputs = gathered.levels.map((_, level) => (level === 0 ? textOf(level, noticed.assessed) : textOf(level)));
    return { gathered, inputs, refused: null, noticed };
  }

  /** What this would be, after all that is on record. */
  function notice(act: Noticed["act"], own: boolean): Noticed {
    if (!own) return { act, own, assessed: NOTHING_ODD, version: 0 };
    return { act, own, assessed: profile.assess(act), version: profile.version(act.agent) };
  }

  function finish(
    { gathered, inputs, refused, noticed }: Begun,
    evaluations: readonly Evaluation[],
    action: Action,
    { caller }: Asker,
    policy: ActivePolicy,
  ): Concluded {
    if (refused !== null) return { gathered, inputs, conclusion: refused, noticed, uses: NONE };
    const vocabulary = vocabularyOf(policy);
    const [judged, ...above] = gathered.levels.map(({ situation, grants }, level): Judged => ({
      evaluation: evaluations[level] ?? NOT_EVALUATED,
      scene: { action, caller, situation, vocabulary },
      grants,
    }));
    if (judged === undefined) throw new Error("nothing was gathered");
    const conclusion = conclude([judged, ...above], policy);
    const uses = conclusion.proceed ? countedUses(gathered, conclusion) : NONE;
    return { gathered, inputs, conclusion, noticed, uses };
  }

  /** Whether what a conclusion rests on is still so. */
  function stands(concluded: Concluded, action: Action, asker: Asker, policy: ActivePolicy): boolean {
    return isOnTheseFacts(concluded, action, asker, policy) && isAsOdd(concluded);
  }

  /** Others' facts may have moved: then it has seen them, and is the same. */
  function isOnTheseFacts(concluded: Concluded, action: Action, asker: Asker, policy: ActivePolicy): boolean {
    if (facts.version === concluded.gathered.version) return true;
    const now = gatherNow(action, asker, policy);
    if (!restOnTheSame(concluded.gathered, now)) return false;
    const { revision, version } = now;
    concluded.gathered = { ...concluded.gathered, revision, version };
    return true;
  }

  /** What was learned meanwhile may have made it more odd, or less. */
  function isAsOdd({ noticed, inputs }: Concluded): boolean {
    if (!profile.ready) throw new Problem("log_unavailable");
    if (!noticed.own) return true;
    const version = profile.version(noticed.act.agent);
    if (version === noticed.version) return true;
    const assessed = profile.assess(noticed.act);
    const isSame = isSameAssessment(assessed, noticed.assessed);
    noticed.version = version;
    noticed.assessed = assessed;
    // Where no policy was asked, none has to be asked again.
    return isSame || inputs.length === 0;
  }

  /** Hands the record to the log at once, so that records are in the order of the calls. */
  function record(
    action: Action,
    asker: Asker,
    policy: ActivePolicy,
    kind: Kind,
    concluded: Concluded,
    { asked, began, read }: Moments,
  ): HandedOver {
    const { uses, gathered } = concluded;
    const evaluated = clock.monotonic();
    const times = { asked, read: read - began, evaluate: evaluated - read };
    let written: Written | undefined;
    let taken = false;
    try {
      written = write(action, asker, policy, kind, concluded, times, null);
      const { before, after, beside } = written.entry;
      const { seq } = pdp.log;
      const recorded = pdp.log.append(before, after, beside);
      taken = pdp.log.seq !== seq;
      // What the log doesn't take has never been: nothing is learned from it.
      if (taken) settled(concluded, written.answer, kind);
      const purpose = gathered.levels[0].situation.purpose === undefined ? null : action.request.purpose;
      const { answer, text, task } = written;
      const caller = asker.caller.id;
      return { answer, text, task, purpose, uses, taken, caller, kind, read: times.read, evaluate: times.evaluate, evaluated, recorded };
    } catch (cause) {
      undo({ uses, taken }, written);
      throw cause;
    }
  }

  /** Apart from what it was decided by, of which nothing is held while the disk is waited for. @throws Problem of the log */
  async function onDisk(handed: HandedOver): Promise<Decided> {
    try {
      await handed.recorded;
    } catch (cause) {
      undo(handed, handed);
      throw cause;
    }
    const { answer, text, purpose, caller, kind, read, evaluate, evaluated } = handed;
    if (kind === "decision") pdp.decided?.(answer.decision_id, caller, answer.proceed);
    return { answer, text, purpose, stages: { read, evaluate, record: clock.monotonic() - evaluated } };
  }

  function undo({ uses, taken }: Pick<HandedOver, "uses" | "taken">, written?: Pick<Written, "answer" | "task">): void {
    facts.giveBack(uses);
    if (written !== undefined) neverWas(written);
    if (taken) profile.unrecorded();
  }

  /** In the turn in which it is handed over, so that whatever is asked next has seen it. */
  function settled({ noticed: { act, assessed, own } }: Concluded, answer: Answer, kind: Kind): void {
    // What isn't the agent's own doing says nothing of it, for it or against it.
    if (!own) return;
    profile.learn(act, outcomeOf(answer));
    pdp.settled?.(act, assessed, answer, kind);
  }

  /** No record names it. */
  function neverWas({ answer: { decision_id, finding }, task }: Pick<Written, "answer" | "task">): void {
    chain.broken(task);
    if (finding?.startsWith(`F-${decision_id}`) === true) pdp.findings?.unrecorded(decision_id);
  }

  function write(
    action: Action,
    asker: Asker,
    policy: ActivePolicy,
    kind: Kind,
    { gathered, inputs, conclusion, noticed, uses }: Concluded,
    { asked, read, evaluate }: Times,
    happened: Happened | null,
  ): Written {
    const id = newId();
    const answer = answerOf(id, action, policy, kind, gathered, said(conclusion, action, asker, policy, gathered, happened));
    const { task } = action.request;
    try {
      const finding = findingOf(answer, noticed, gathered, kind);
      if (finding !== null) answer.finding = finding;
      const text = answerText(answer);
      const entry = recordText({
        kind,
        action,
        asker,
        gathered,
        inputs,
        uses,
        act: profile.learns && noticed.own ? actText(noticed, inputs.length === 0) : null,
        answer,
        answer_text: text,
        mask: maskOf(policy, gathered.levels[0].situation.now_ms),
        asked_ms: asked,
        happened,
        previous: chain.next(task, id),
        read_ms: read,
        evaluate_ms: evaluate,
      });
      return { task, answer, text, entry };
    } catch (cause) {
      neverWas({ task, answer });
      throw cause;
    }
  }

  function said(
    conclusion: Conclusion,
    action: Action,
    { caller }: Asker,
    policy: ActivePolicy,
    { levels }: Gathered,
    happened: Happened | null,
  ): Conclusion {
    if (happened?.unasked !== true) return conclusion;
    const scene = { action, caller, situation: levels[0].situation, vocabulary: vocabularyOf(policy) };
    return unasked(conclusion, policy, scene, action.request.task);
  }

  function maskOf(policy: ActivePolicy, now_ms: number): Recorded["mask"] {
    const { masks } = pdp;
    return policy.vocabulary.masks === undefined || masks === undefined ? null : (record) => masks.mask(policy, now_ms, record);
  }

  function gatherNow(action: Action, asker: Asker, policy: ActivePolicy): Gathered {
    return gather(action, asker, policy, {
      identity,
      facts,
      now_ms: clock.wall(),
      time_skew_max_ms: pdp.limits.time_skew_max_ms,
    });
  }

  function answerOf(
    decisionId: string,
    action: Action,
    policy: ActivePolicy,
    kind: Kind,
    gathered: Gathered,
    conclusion: Conclusion,
  ): Answer {
    const { decision, proceed, reasons, tell_agent, obligations, wait } = conclusion;
    const { now_ms } = gathered.levels[0].situation;
    // Member by member: spreading costs more than everything else here.
    const answer: Answer = {
      decision,
      proceed,
      reasons,
      obligations,
      decision_id: decisionId,
      action_digest: action.digest,
      // On what has happened nobody may act any more.
      valid_for_ms: kind === "observed" ? 0 : Math.max(0, validUntil(gathered) - now_ms),
      policy: policy.identity,
      facts_revision: gathered.revision,
    };
    if (tell_agent !== undefined) answer.tell_agent = tell_agent;
    if (wait !== null) {
      answer.wait = { ...wait, until: new Date(now_ms + pdp.limits.approval_wait_ms).toISOString() };
    }
    if (action.request_id !== null) answer.request_id = action.request_id;
    return answer;
  }

  function findingOf({ decision, decision_id, reasons }: Answer, { act }: Noticed, { levels }: Gathered, kind: Kind): string | null {
    const opens = opensFinding({ decision, reasons }, kind);
    if (pdp.findings === undefined) return opens ? `F-${decision_id}` : null;
    const { agent, now_ms } = levels[0].situation;
    const { purpose, verb, type, id } = act;
    const known = agent !== undefined;
    return pdp.findings.place({
      decision_id,
      kind,
      agent: act.agent,
      known,
      purpose,
      verb,
      type,
      id,
      time_ms: now_ms,
      decision,
      reasons,
      opens,
    });
  }

  function activePolicy(): ActivePolicy {
    const { active } = pdp.engine;
    if (active === null) throw new Problem("bundle_missing");
    if (expired(active, clock.wall())) throw new Problem("bundle_expired");
    if (active.vocabulary.masks !== undefined && pdp.masks?.isReady(clock.wall()) !== true) throw new Problem("log_unavailable");
    if (!profile.ready) throw new Problem("log_unavailable");
    return active;
  }

  const steps: Steps = {
    activePolicy,
    vocabularyOf,
    taskProof,
    askerOf: (action, caller) => (needsNothing(action) ? bare(caller) : askerOf(action, caller)),
    begin,
    finish,
    ask,
    enter: (action) => turns.enter(action.request.agent),
    stands,
    record: (action, asker, policy, concluded, times, happened) => {
      concluded.uses = NONE;
      const written = write(action, asker, policy, "observed", concluded, times, happened);
      settled(concluded, written.answer, "observed");
      return written;
    },
    unrecorded: (written) => {
      neverWas(written);
      profile.unrecorded();
    },
  };
  return { decide, decideBatch, decideAll, hear, decideAction, decideActions, steps };
}

/** An action that has been read, and who asks for it. */
interface Ready {
  action: Action;
  asker: Asker;
}

/** What is left of a decision when the log has been given its record, in its place. */
interface HandedOver extends Omit<Decided, "stages">, Omit<Times, "asked"> {
  task: string | null;
  caller: string;
  kind: Kind;
  /** Of the grants that permit it, those whose uses it took. */
  uses: readonly string[];
  /** Whether the log took it, and the profile has learned from it. */
  taken: boolean;
  /** When it was handed over, on the monotonic clock. */
  evaluated: number;
  /** Resolves when it is on disk. */
  recorded: Promise<void>;
}

function next<T>(items: Iterator<T>): T {
  const result = items.next();
  if (result.done === true) throw new Error("fewer were decided than were asked for");
  return result.value;
}

const NONE: readonly string[] = [];
const NO_EVALUATIONS: readonly Evaluation[] = [];
const NOT_EVALUATED: Evaluation = { ok: false, code: "evaluation_failed", detail: "it was not evaluated" };

function bare(caller: Caller): Asker {
  return { caller, agent_proof: null };
}

/** Whoever fails is met later; until then it must not count as a rejection that nobody handles. */
function handled(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}

/** Of the grants that permitted, those whose uses are counted. */
function countedUses({ levels }: Gathered, { reasons }: Conclusion): readonly string[] {
  if (levels.every(({ grants }) => grants.length === 0)) return NONE;
  const used = new Set(reasons.flatMap(({ code, params }) => (code === "granted" ? [params["grant"]] : [])));
  const counted = levels.flatMap(({ grants }) => grants.filter(({ counted, input }) => counted && used.has(input.id)));
  return [...new Set(counted.map(({ input }) => input.id))];
}

/** Milliseconds since the epoch: as long as the purpose says, and no longer than anything that it rests on. */
function validUntil({ levels }: Gathered): number {
  const { now_ms, purpose, agent_proof, task_proof } = levels[0].situation;
  let until = now_ms + (purpose?.answer_lasts_ms ?? 0);
  if (agent_proof !== null) until = Math.min(until, agent_proof.token.expires_ms);
  if (task_proof !== null) until = Math.min(until, task_proof.token.expires_ms);
  for (const { situation, grants } of levels) {
    until = Math.min(until, situation.task?.expires_ms ?? Infinity);
    for (const { state, expires_ms } of grants) if (state === "live") until = Math.min(until, expires_ms);
  }
  return until;
}

/**
 * Whether somebody should look at it. What was denied did not happen, unless it had happened already; but what is so odd that it is denied says
 * something of its agent.
 */
export function opensFinding({ decision, reasons }: Pick<Conclusion, "decision" | "reasons">, kind: Kind = "decision"): boolean {
  if (decision === "deny") return kind === "observed" || reasons.some(({ code }) => code === "unusual_denied");
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
