/** What the figures have to reach. */
import type { Results, Row } from "./results.js";

export interface Mark {
  what: string;
  wanted: string;
  found: string;
  /** Null where it was not measured. */
  met: boolean | null;
}

const SYNC_MS_SLOW = 1;

/** Where a durable write takes long, more answers have to share one. */
export function judgedConnections(syncMs: number): number {
  return syncMs > SYNC_MS_SLOW ? 256 : 64;
}

export function marks({ sync_ms, closed, in_process, first_decision_ms, memory }: Results): Mark[] {
  const judged = judgedConnections(sync_ms);
  const row = (name: string, connections: number): Row | undefined =>
    closed.find((one) => one.name === name && one.connections === connections);
  const LOGGED = "OPA, console decision log";
  const [ours, opa, cerbos] = [row("Remit", judged), row(LOGGED, judged), row("Cerbos", judged)];
  const [ours16, opa16] = [row("Remit", 16), row(LOGGED, 16)];
  const p99Most = Math.max((opa16?.p99 ?? 0) / 2, 2 * sync_ms + 2);
  const { small_world: small, large_world: large } = in_process;
  return [
    atLeast(`decisions/s, × OPA with its log, ${judged} connections`, 3, ratio(ours?.rate, opa?.rate)),
    atMost(`CPU a decision, × OPA with its log, ${judged} connections`, 0.35, ratio(ours?.cpu_us, opa?.cpu_us)),
    atMost("p99 at 16 connections, half of OPA's or two syncs plus 2, ms", p99Most, ours16?.p99),
    atLeast(`decisions/s, × Cerbos over HTTP, ${judged} connections`, 5, ratio(ours?.rate, cerbos?.rate)),
    atMost("evaluation, µs of CPU", 12, in_process.evaluate),
    atMost("`decide()`, µs of CPU", 25, in_process.decide),
    atMost("`decide()` evaluated by the thread that can be stopped, µs of CPU", 25, in_process.decide_threaded),
    atMost("an action in a batch of 100 with records, µs of CPU", 8, in_process.batch_action),
    atMost("evaluation, large world × small", 1.2, large.evaluate / small.evaluate),
    atMost("`decide()`, large world × small", 1.2, large.decide / small.decide),
    atMost("start to first decision, ms", 400, first_decision_ms),
    atMost(`RSS after ${memory.decisions.toLocaleString("en")} decisions, MB`, 150, memory.rss_mb),
  ];
}

function ratio(ours: number | undefined, theirs: number | undefined): number | undefined {
  return ours === undefined || theirs === undefined ? undefined : ours / theirs;
}

function atLeast(what: string, least: number, found: number | undefined): Mark {
  return mark(what, `at least ${amount(least)}`, found, found !== undefined && found >= least);
}

function atMost(what: string, most: number, found: number | undefined): Mark {
  return mark(what, `at most ${amount(most)}`, found, found !== undefined && found <= most);
}

function mark(what: string, wanted: string, found: number | undefined, met: boolean): Mark {
  return found === undefined ? { what, wanted, found: "not measured", met: null } : { what, wanted, found: amount(found), met };
}

function amount(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(2)));
}
