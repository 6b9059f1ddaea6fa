/** Replays the benchmark through the enforcement point: what was recorded, and the conversations that end badly. */
import type { Access, Benchmark, Call, Conversation as Recorded } from "./benchmark.js";
import { Conversation, actionOf, type Attempt, type Case } from "./enforcement.js";
import { Shop, ShopRefusal } from "./shop.js";

export interface Judged {
  /** Which recording, and which of its calls or which broken row: for the report to point at. */
  where: string;
  call: Call;
  attempt: Attempt;
}

export interface JudgedCall extends Judged {
  access: Access;
  /** Whether the shop's interface would have done it, tried on a copy. */
  shopAccepts: boolean;
}

/** Where conversations get their tasks. */
export interface Counter {
  /** @param subjects what is known of the conversation when it begins */
  open(task: string, subjects: Record<string, string[]>): Promise<OpenCase>;
}

export interface OpenCase extends Case {
  /** The conversation is over, and so is the task. */
  close(): Promise<void>;
}

/** Conversations at a time; each makes one call after the other. */
const CONVERSATIONS_AT_ONCE = 32;

/** Every recorded call, in order. @param progress called after each decision */
export async function replayRecordings(bench: Benchmark, counter: Counter, progress: () => void): Promise<JudgedCall[]> {
  const judged = await inParallel(bench.conversations, (recorded, index) =>
    during(recorded, `recorded-${index}`, bench, counter, async (conversation) => {
      const calls: JudgedCall[] = [];
      for (const [i, call] of recorded.calls.entries()) {
        const shopAccepts = accepts(conversation.shop, call);
        const attempt = await conversation.attempt(call);
        progress();
        const access = bench.access.get(call.name) ?? "write";
        calls.push({ where: `${recorded.id}/${i}`, call, attempt, access, shopAccepts });
      }
      return calls;
    }),
  );
  return judged.flat();
}

/** The last call of each broken row, after those before it were decided and, where allowed, done. */
export async function replayBroken(bench: Benchmark, counter: Counter, progress: () => void): Promise<Judged[]> {
  const recordings = new Map(bench.conversations.map((recorded) => [recorded.id, recorded]));
  return inParallel(bench.broken, ({ conversation: id, prior, call }, index) => {
    const recorded = recordings.get(id);
    if (recorded === undefined) throw new Error(`no recording of conversation ${id}`);
    return during(recorded, `broken-${index}`, bench, counter, async (conversation) => {
      for (const before of prior) {
        await conversation.attempt(before);
        progress();
      }
      const attempt = await conversation.attempt(call);
      progress();
      return { where: `row ${index + 1}`, call, attempt };
    });
  });
}

export interface Interrupted {
  /** What was recorded and would have been called; how much of it was. */
  calls: number;
  asked: number;
  /** Calls that were let through before the agent was revoked, or while it was. */
  acted: number;
  /** Of calls sent after the revocation had been answered. */
  after: Judged[];
  /** Conversations that stopped in their midst. */
  stopped: number;
}

/**
 * The recordings once more, all of them under way, until the agent is revoked; a conversation ends where it is denied for
 * that. @param revoke called once, in the middle; resolves when the revocation is answered
 */
export async function replayUntilRevoked(bench: Benchmark, counter: Counter, revoke: () => Promise<void>): Promise<Interrupted> {
  const calls = bench.conversations.reduce((sum, recorded) => sum + recorded.calls.length, 0);
  const found: Interrupted = { calls, asked: 0, acted: 0, after: [], stopped: 0 };
  const revocation = { inForce: false, answered: Promise.resolve() };
  const opened = new Map<Recorded, OpenCase>();
  for (const [index, recorded] of bench.conversations.entries()) {
    opened.set(recorded, await counter.open(`interrupted-${index}`, { customer: [recorded.customer] }));
  }
  await inParallel([...opened], async ([recorded, work]) => {
    const conversation = new Conversation(work, new Shop(bench.database));
    // None begins while the revocation is under way: however long that takes, some call comes after its answer.
    await revocation.answered;
    for (const [i, call] of recorded.calls.entries()) {
      const afterwards = revocation.inForce;
      const attempt = await conversation.attempt(call);
      found.asked += 1;
      if (afterwards) found.after.push({ where: `${recorded.id}/${i}`, call, attempt });
      if (attempt.acted) found.acted += 1;
      if (found.asked === Math.ceil(calls / 2)) {
        revocation.answered = revoke().then(() => {
          revocation.inForce = true;
        });
      }
      if (attempt.verdict.outcome.because.includes("agent_revoked")) {
        found.stopped += 1;
        return;
      }
    }
  });
  await revocation.answered;
  return found;
}

/** With a task of its own and a fresh copy of the shop. Who calls is known at once exactly where no recorded search finds them. */
async function during<T>(
  recorded: Recorded,
  task: string,
  bench: Benchmark,
  counter: Counter,
  talk: (conversation: Conversation) => Promise<T>,
): Promise<T> {
  const shop = new Shop(bench.database);
  const found = recorded.calls.some((call) => actionOf(call, shop).verb === "search" && accepts(shop, call));
  const work = await counter.open(task, found ? {} : { customer: [recorded.customer] });
  const said = await talk(new Conversation(work, shop));
  await work.close();
  return said;
}

function accepts(shop: Shop, call: Call): boolean {
  try {
    shop.copy().run(call);
    return true;
  } catch (cause) {
    if (cause instanceof ShopRefusal) return false;
    throw cause;
  }
}

async function inParallel<T, R>(inputs: readonly T[], work: (input: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = inputs.entries();
  const workers = Array.from({ length: CONVERSATIONS_AT_ONCE }, async () => {
    for (const [index, input] of waiting) results[index] = await work(input, index);
  });
  await Promise.all(workers);
  return results;
}
