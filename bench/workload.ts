/** What programs here ask a service on the shipped bundle, and the facts it is asked about. */
import type { Clock } from "../src/system/index.js";

const DAY_MS = 24 * 3_600_000;
const WEEK_MS = 7 * DAY_MS;
/** 09:00 UTC, of weeks that begin with the epoch, on a Thursday. */
const WEDNESDAY_MORNING_MS = 6 * DAY_MS + 9 * 3_600_000;

export const PURPOSE = "customer_support";

export function agentId(i: number): string {
  return `support-${i}`;
}

/** One agent with one task each. */
export function facts(count: number, purposeOf: (i: number) => string = () => PURPOSE) {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return {
    agents: Object.fromEntries(numbers.map((i) => [agentId(i), { owner: "bench", purposes: [purposeOf(i)] }])),
    tasks: Object.fromEntries(
      numbers.map((i) => [
        `T-${i}`,
        {
          agent: agentId(i),
          purpose: purposeOf(i),
          subjects: { ticket: [`TCK-${i}`], customer: [`customer-${i}`] },
          attributes: { topic: "billing" },
        },
      ]),
    ),
  };
}

/**
 * What support agents ask: their customer, an invoice of theirs and one of somebody else's, a write that is never allowed.
 * @param kind which of these it is; an agent's number says so where nothing else does
 */
export function action(i: number, purpose = PURPOSE, kind = i): object {
  const [own, other] = [`customer-${i}`, `customer-${i + 1}`];
  const [verb, resource] = [
    ["read", { type: "customer", id: own }],
    ["read", { type: "invoice", id: `I-${i}`, attributes: { customer: own, amount_cents: 4900 } }],
    ["read", { type: "invoice", id: `I-${i + 1}`, attributes: { customer: other, amount_cents: 125_000 } }],
    ["read", { type: "order", id: `O-${i}`, attributes: { customer: own } }],
    ["update", { type: "customer", id: own }],
  ][kind % 5] as [string, object];
  const context = {
    session: `s-${i}`,
    source: "bench",
    trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  return { agent: agentId(i), purpose, task: `T-${i}`, verb, resource, context };
}

/**
 * A clock that begins in the coming hours of the shipped desk: outside of them its policy has more to say, and figures must not depend
 * on when they are taken. Not in hours that have been: a bundle knows local time from when it was built.
 */
export function inHours(clock: Clock): Clock {
  const shiftMs = WEEK_MS - (clock.wall() % WEEK_MS) + WEDNESDAY_MORNING_MS;
  return { monotonic: () => clock.monotonic(), wall: () => clock.wall() + shiftMs };
}

/** Bodies of `POST /decide/batch`. */
export function batches(actions: number, size: number): string[] {
  return Array.from({ length: actions / size }, (_, batch) =>
    JSON.stringify({ actions: Array.from({ length: size }, (_, i) => action(batch * size + i)) }),
  );
}
