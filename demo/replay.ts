/** Replays the benchmark through the enforcement point: what was recorded, and the conversations that end badly. */
import type { Access, Benchmark, Call, Conversation as Recorded } from "./benchmark.js";
import { Conversation, actionOf, type Attempt } from "./enforcement.js";
import type { Pdp } from "./pdp.js";
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

/** Conversations at a time; each makes one call after the other. */
const CONVERSATIONS_AT_ONCE = 32;

/** Every recorded call, in order. @param progress called after each decision */
export async function replayRecordings(bench: Benchmark, pdp: Pdp, progress: () => void): Promise<JudgedCall[]> {
  const judged = await inParallel(bench.conversations, async (recorded, index) => {
    const conversation = await open(recorded, `recorded-${index}`, bench, pdp);
    const calls: JudgedCall[] = [];
    for (const [i, call] of recorded.calls.entries()) {
      const shopAccepts = accepts(conversation.shop, call);
      const attempt = await conversation.attempt(call);
      progress();
      const access = bench.access.get(call.name) ?? "write";
      calls.push({ where: `${recorded.id}/${i}`, call, attempt, access, shopAccepts });
    }
    return calls;
  });
  return judged.flat();
}

/** The last call of each broken row, after those before it were decided and, where allowed, done. */
export async function replayBroken(bench: Benchmark, pdp: Pdp, progress: () => void): Promise<Judged[]> {
  const recordings = new Map(bench.conversations.map((recorded) => [recorded.id, recorded]));
  return inParallel(bench.broken, async ({ conversation: id, prior, call }, index) => {
    const recorded = recordings.get(id);
    if (recorded === undefined) throw new Error(`no recording of conversation ${id}`);
    const conversation = await open(recorded, `broken-${index}`, bench, pdp);
    for (const before of prior) {
      await conversation.attempt(before);
      progress();
    }
    const attempt = await conversation.attempt(call);
    progress();
    return { where: `row ${index + 1}`, call, attempt };
  });
}

/** A task of its own and a fresh copy of the shop. Who calls is known at once exactly where no recorded search finds them. */
async function open(recorded: Recorded, task: string, bench: Benchmark, pdp: Pdp): Promise<Conversation> {
  const shop = new Shop(bench.database);
  const found = recorded.calls.some((call) => actionOf(call, shop).verb === "search" && accepts(shop, call));
  await pdp.createTask(task, found ? {} : { customer: [recorded.customer] });
  return new Conversation(pdp, task, shop);
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
