/** Ordinary days of support agents, and whatever else they do. Times and ids follow from numbers: nothing is drawn. */
import type { Act, ActOutcome, Assessment } from "../../src/contract/index.js";
import type { BehaviorProfile } from "../../src/behavior/profile.js";

/** A Monday, eight o'clock. */
export const MONDAY = Date.UTC(2026, 0, 5, 8);
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function act(over: Partial<Act> = {}): Act {
  return {
    agent: "support-7",
    version: "1",
    owner: "",
    purpose: "customer_support",
    verb: "read",
    verb_class: "read",
    type: "customer",
    id: "c-1",
    task: "T-1",
    relation: "task",
    session: "s-1",
    source: "wl-1",
    granted: false,
    amount: 1,
    time_ms: MONDAY,
    offset_ms: 0,
    ...over,
  };
}

export interface Shift {
  agent?: string;
  /** The first day, counted from the Monday, and how many. */
  from?: number;
  days: number;
  /** Tickets a day, over eight hours; of every day. */
  tickets?: number;
}

/** A ticket is read, its customer and an order of that, and the ticket updated. */
export function* shift({ agent = "support-7", from = 0, days, tickets = 24 }: Shift): Generator<Act> {
  for (let day = from; day < from + days; day++) {
    for (let n = 0; n < tickets; n++) {
      const number = day * 1000 + n;
      const began = MONDAY + day * DAY + Math.floor((n * 8 * HOUR) / tickets) + ((number * 7919) % 240) * SECOND;
      const task = `T-${agent}-${number}`;
      const steps: Partial<Act>[] = [
        { type: "ticket", id: task },
        { type: "customer", id: `c-${(number * 7919) % 5000}` },
        { type: "order", id: `o-${(number * 104729) % 9000}` },
        { verb: "update", verb_class: "write", type: "ticket", id: task },
      ];
      for (const [i, step] of steps.entries())
        yield act({ ...step, agent, task, session: `s-${agent}-${number}`, time_ms: began + i * 15 * SECOND });
    }
  }
}

/** @param n how late in the day: in twenty minutes */
export function payment(day: number, n: number, over: Partial<Act> = {}): Act {
  const task = `T-${day}-${n}`;
  return act({ type: "payee", id: `p-${n % 5}`, task, session: task, time_ms: MONDAY + day * DAY + n * 20 * MINUTE, ...over });
}

/** A day's payments, to the same five payees. */
export const paid = (day: number): Act[] => Array.from({ length: 24 }, (_, n) => payment(day, n));

/** As a service does it: assessed, and then learned. */
export function live(profile: BehaviorProfile, one: Act, outcome: ActOutcome = "allow"): Assessment {
  const assessed = profile.assess(one);
  profile.learn(one, outcome);
  return assessed;
}

export function work(profile: BehaviorProfile, acts: Iterable<Act>): Assessment[] {
  return Array.from(acts, (one) => live(profile, one));
}

export function bytesOf(profile: BehaviorProfile, seq = 0): Uint8Array {
  const snapshot = profile.beginSnapshot(seq);
  const pieces: Uint8Array[] = [];
  for (let piece = snapshot.slice(7); piece !== null; piece = snapshot.slice(7)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
