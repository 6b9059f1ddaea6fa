/**
 * One decision, start to end: intake, attempt, commit, answer. Whatever goes wrong on the way is a problem (nothing was decided) or a
 * deny on the record, never an allow. From the attempt to the commit nothing waits, so nothing can move in between.
 */
import { Problem } from "../contract/index.js";
import { attempter } from "./attempt.js";
import { Committer, type Committed } from "./commit.js";
import { Intake, type Arrival } from "./intake.js";
import type { Pdp } from "./pdp.js";
import type { ActionHistory, ActivePolicy, Caller } from "./ports.js";
import type { ReadAction } from "./read.js";
import { readActions, readBatch } from "./read_batch.js";
import type { Attempt, Question } from "./question.js";
import type { Decided, Decider } from "./decider.js";
import { othersTurn } from "../system/index.js";

export type * from "./decider.js";
export type * from "./pdp.js";

/** Milliseconds after which a batch leaves others their turn. */
const TURN_MS_MAX = 5;
/** Attempts at an action whose uses are taken by others of this service, once they were got from the other nodes of its cluster. */
const RESERVED_TRIES_MAX = 8;

export function decider(pdp: Pdp): Decider {
  const { clock, timers } = pdp.system;
  const intake = new Intake(pdp);
  const attempt = attempter(pdp);
  const committer = new Committer(pdp);

  /**
   * One turn up to the record. A promise only in a cluster, for what permits by a use of a grant that has to be got there first: then it is
   * attempted again on the facts of that turn.
   * @throws Problem at once, of the attempt and the commit; later `grant_uncounted`
   */
  const committed = (question: Question, tries = RESERVED_TRIES_MAX): Committed | Promise<Committed> => {
    const attempted = attempt(question);
    if (attempted.unread !== null) return onHistory(question, attempted.unread);
    const reserving = attempted.uses.length === 0 ? null : pdp.facts.reserve(attempted.uses);
    if (reserving !== null) {
      if (tries === 0) throw new Problem("grant_uncounted");
      return reserving.then(() => committed(question, tries - 1));
    }
    return commit(attempted);
  };

  const commit = (attempted: Attempt, id?: string): Committed => {
    const result = committer.commit(attempted, id);
    pdp.stage?.decided(attempted);
    return result;
  };

  /**
   * The same for an action that rests on what the nodes of a cluster share: what it adds is written before it is decided for good, in one turn
   * on the facts of that turn. Whoever comes second finds that it has changed, and begins again.
   * @throws Problem `history_unavailable`, `grant_uncounted`, and those of the attempt and the commit
   */
  async function onHistory(question: Question, unread: NonNullable<Attempt["unread"]>): Promise<Committed> {
    const history = await unread.open(committer.newId());
    try {
      for (let tries = RESERVED_TRIES_MAX; ;) {
        const attempted = attempt(question, history);
        const reserving = attempted.uses.length === 0 ? null : pdp.facts.reserve(attempted.uses);
        if (reserving !== null) {
          if (tries-- === 0) throw new Problem("grant_uncounted");
          await reserving;
          continue;
        }
        const { flow: note, conclusion } = attempted;
        if (note === null || !conclusion.proceed || history.holds(note)) return commit(attempted, history.id);
        await history.write(note);
      }
    } finally {
      history.end();
    }
  }

  /** Reads the history that an action rests on as it is now: it has happened, whatever others do. */
  async function read(unread: NonNullable<Attempt["unread"]>): Promise<ActionHistory> {
    const history = await unread.open(committer.newId());
    history.end();
    return history;
  }

  const decided = (question: Question): Promise<Decided> => {
    const result = committed(question);
    return result instanceof Promise ? result.then((one) => committer.durable(one)) : committer.durable(result);
  };

  async function all(actions: readonly ReadAction[], caller: Caller, policy: ActivePolicy, arrival: Arrival): Promise<Decided[]> {
    return inOrder(await Promise.all(actions.map(async (action) => await intake.question(action, caller, policy, arrival))));
  }

  async function inOrder(questions: readonly Question[]): Promise<Decided[]> {
    const results: Promise<Decided>[] = [];
    let failed: { cause: unknown } | null = null;
    let turn = clock.monotonic();
    for (const question of questions) {
      if (clock.monotonic() - turn >= TURN_MS_MAX) {
        await othersTurn(timers);
        turn = clock.monotonic();
      }
      try {
        const inTurn = committed(question);
        const result = committer.durable(inTurn instanceof Promise ? await inTurn : inTurn);
        // A failure is met below; until then it must not count as a rejection that nobody handles.
        result.catch(() => undefined);
        results.push(result);
      } catch (cause) {
        failed = { cause };
        break;
      }
    }
    const settled = await Promise.allSettled(results);
    const all = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const unrecorded = settled.find((one) => one.status === "rejected");
    if (unrecorded !== undefined) failed ??= { cause: unrecorded.reason };
    // The first have waited for the last.
    if (all.some((one) => committer.isLate(one))) failed ??= { cause: new Problem("answer_late") };
    if (failed === null) return all;
    for (const { answer } of all) committer.withhold(answer);
    throw failed.cause;
  }

  return {
    intake,
    attempt,
    observed: {
      write: (one) => committer.observed(one),
      read: ({ unread }) => unread && read(unread),
      known: () => pdp.flow?.known?.() ?? Promise.resolve(),
      unrecorded: (written) => {
        committer.unrecorded(written);
      },
    },

    async decide(body, authorization) {
      const arrival = intake.arrival();
      const { asked, caller } = await intake.authenticatedBody(body, authorization);
      const policy = intake.activePolicy();
      return decided(await intake.question(intake.read(asked, policy), caller, policy, arrival));
    },

    async decideBatch(body, authorization) {
      const arrival = intake.arrival();
      const { asked, caller } = await intake.authenticatedBody(body, authorization);
      const policy = intake.activePolicy();
      const actions = readBatch(asked, intake.vocabularyOf(policy), pdp.limits, intake.taskProof);
      return all(actions, caller, policy, arrival);
    },

    async decideAll(asked, caller) {
      const arrival = intake.arrival();
      const policy = intake.activePolicy();
      return all(readActions(asked, intake.vocabularyOf(policy), pdp.limits, intake.taskProof), caller, policy, arrival);
    },

    async decideAction(asked, caller, adapter = null, proof = null) {
      const arrival = intake.arrival();
      const policy = intake.activePolicy();
      return decided(await intake.question(intake.read(asked, policy, adapter), caller, policy, arrival, proof));
    },

    async decideActions(asked, caller, adapter) {
      const arrival = intake.arrival();
      const policy = intake.activePolicy();
      const read = await Promise.all(
        asked.map(async (item): Promise<Question | Problem> => {
          try {
            return await intake.question(intake.read(item, policy, adapter), caller, policy, arrival);
          } catch (cause) {
            if (cause instanceof Problem) return cause;
            throw cause;
          }
        }),
      );
      const results = (await inOrder(read.filter((item): item is Question => !(item instanceof Problem)))).values();
      return read.map((item) => (item instanceof Problem ? item : next(results)));
    },
  };
}

function next<T>(items: Iterator<T>): T {
  const result = items.next();
  if (result.done === true) throw new Error("fewer were decided than were asked for");
  return result.value;
}
