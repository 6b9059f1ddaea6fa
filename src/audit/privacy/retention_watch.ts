/** A service's own retention: what is older than its configuration keeps is dropped, a segment at a time, while it runs. */
import { errorMessage } from "../../system/error_message.js";
import type { Clock, Timers } from "../../system/index.js";
import { workerThread } from "../../system/thread.js";
import { ClockMark } from "./clock_mark.js";
import { carryOut, type HeldBack, type PutOnRecord, type RetentionOptions, type RetentionPlan } from "./retention.js";
import type { FromRetention } from "./retention_worker.js";

const DAY_MS = 86_400_000;
const LOOK_MS = DAY_MS / 4;

export interface RetainingOptions {
  /** The log's. */
  directory: string;
  retain_days: number;
  /** Time of the last record from before this process; null if there was none. */
  last_record_ms: number | null;
}

export interface RetainingEvents {
  dropped(plan: RetentionPlan): void;
  /** The clock is further ahead of the last trusted time than it can be: nothing is old by it. */
  clockAhead(by_ms: number): void;
  /** Old enough to go, and needed still by somebody: it is looked again. */
  held(held: HeldBack): void;
  /** Reports a failure. Nothing is dropped; it is tried again. */
  failed(detail: string): void;
}

/** The log, as far as a record of retention needs it. */
export interface RetentionLog {
  readonly seq: number;
  readonly durable: number;
  onDurable(listener: (seq: number) => void): () => void;
}

/**
 * With relaxed durability too, nothing is deleted before its record is on disk.
 * @param admin hands an administrator's record to the log at once
 */
export function onRecord(log: RetentionLog, admin: (action: string, detail: object) => Promise<void>): PutOnRecord {
  return async (action, detail) => {
    const written = admin(action, detail);
    const { seq } = log;
    await written;
    if (log.durable < seq)
      await new Promise<void>((resolve) => {
        const stop = log.onDurable((durable) => {
          if (durable < seq) return;
          stop();
          resolve();
        });
      });
    return seq;
  };
}

/** A plan being made; null where it was given up. */
interface Planning {
  plan: Promise<RetentionPlan | null>;
  giveUp: () => void;
}

/** Segments are read and hashed by a thread of their own: decisions have this one. */
function planApart(options: RetentionOptions): Planning {
  const thread = workerThread<never, FromRetention>(new URL("./retention_worker.js", import.meta.url), options);
  let giveUp = (): void => undefined;
  const plan = new Promise<RetentionPlan | null>((resolve, reject) => {
    giveUp = () => {
      thread.terminate();
      resolve(null);
    };
    thread.onMessage((message) => {
      if (message.kind === "planned") resolve(message.plan);
      if (message.kind === "failed") reject(new Error(message.detail));
    });
    thread.onDeath(reject);
  });
  return { plan, giveUp };
}

/** @returns stops it; resolves when nothing is under way any more */
export function watchRetention(
  { directory, retain_days, last_record_ms }: RetainingOptions,
  record: PutOnRecord,
  { clock, timers }: { clock: Clock; timers: Timers },
  events: RetainingEvents,
): () => Promise<void> {
  let cancel = (): void => undefined;
  let giveUp = (): void => undefined;
  let stopped = false;
  const mark = new ClockMark(directory, clock, last_record_ms);

  async function look(): Promise<void> {
    try {
      const ahead = mark.ahead();
      if (ahead > 0) {
        events.clockAhead(ahead);
        return;
      }
      const nowMs = clock.wall();
      const planning = planApart({ directory, before: { ms: nowMs - retain_days * DAY_MS }, nowMs });
      giveUp = planning.giveUp;
      const plan = await planning.plan;
      if (stopped || plan === null) return;
      if (plan.held?.why === "export" || plan.held?.why === "grants") events.held(plan.held);
      if (plan.retained === null && plan.shredded.length === 0) return;
      await carryOut(directory, plan, record);
      events.dropped(plan);
    } catch (cause) {
      events.failed(errorMessage(cause));
    }
  }

  function again(): Promise<void> {
    return look().finally(() => {
      if (!stopped) cancel = timers.after(LOOK_MS, () => void (looking = again()));
    });
  }

  let looking = again();
  return () => {
    stopped = true;
    cancel();
    giveUp();
    return looking;
  };
}
