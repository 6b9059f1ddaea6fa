/** Nodes that share a narrowed agent's rate while they come, go, lag and are cut from feeds. */
import { RateParts } from "../../src/cluster/rate_parts.js";
import { Narrowings } from "../../src/facts/narrowings.js";

export const LEASE_MS = 2000;
export const RATE = 12;
export const KNOWN_MS = 60_000 + 2 * LEASE_MS;

/** A node that sends ticks into two feeds, reads them late, and permits what it may. */
class Node {
  readonly parts: RateParts;
  readonly narrowings: Narrowings;
  /** When each feed has last brought its own tick. */
  readonly returned = [-Infinity, -Infinity];
  constructor(
    readonly name: string,
    readonly clock: { now: number },
    readonly lag_ms: number,
    Parts: typeof RateParts,
    divided: (parts: RateParts) => number,
  ) {
    this.parts = new Parts({ monotonic: () => clock.now }, { node: name, lease_ms: LEASE_MS, feeds: 2 });
    this.narrowings = new Narrowings(() => divided(this.parts));
    const since = new Date(0).toISOString();
    const stated = { purpose: "p", reason: "r", why: [], below: null, for_ms: null };
    this.narrowings.put({ ...stated, agent: "x", actions_per_minute: RATE, by: "ops", since, lifted: null, revision: 1 });
  }

  get mayAllow(): boolean {
    return this.returned.some((at) => this.clock.now - at <= LEASE_MS);
  }
}

export interface Life {
  from_s: number;
  for_s: number;
  lag_ms: number;
  /** Seconds within which this node can't reach one of the feeds. */
  cut: { feed: number; from_s: number; for_s: number };
}

/** Nodes come, go and are cut from feeds for some minutes; returns the most that all of them permitted within a minute. */
export function mostInAMinute(
  lives: readonly Life[],
  Parts = RateParts,
  divided: (parts: RateParts) => number = (parts) => parts.count,
): number {
  const clock = { now: 0 };
  const nodes = lives.map((life, i) => ({ life, node: new Node(`n-${i}`, clock, life.lag_ms, Parts, divided) }));
  const feeds: { at: number; by: string }[][] = [[], []];
  const read = nodes.map(() => [0, 0]);
  const permitted: number[] = [];
  for (clock.now = 0; clock.now < 420_000; clock.now += 500) {
    const now_s = clock.now / 1000;
    for (const [i, { life, node }] of nodes.entries()) {
      if (now_s < life.from_s || now_s >= life.from_s + life.for_s) continue;
      for (const [f, feed] of feeds.entries()) {
        const { cut } = life;
        if (cut.feed === f && now_s >= cut.from_s && now_s < cut.from_s + cut.for_s) continue;
        feed.push({ at: clock.now, by: node.name });
        const places = read[i] ?? [];
        for (let tick = feed[places[f] ?? 0]; tick !== undefined && tick.at <= clock.now - node.lag_ms; tick = feed[places[f] ?? 0]) {
          places[f] = (places[f] ?? 0) + 1;
          node.parts.seen(f, tick.by);
          if (tick.by === node.name) node.returned[f] = tick.at;
        }
      }
      // As many as it may: an agent that is narrowed tries without end.
      while (node.mayAllow && node.narrowings.spend(["x"], clock.now)) permitted.push(clock.now);
    }
  }
  let most = 0;
  for (const [i, at] of permitted.entries()) most = Math.max(most, permitted.slice(i).filter((other) => other < at + 60_000).length);
  return most;
}

const NEVER = { feed: 0, from_s: 0, for_s: 0 };
export const life = (over: Partial<Life>): Life => ({ from_s: 0, for_s: 420, lag_ms: 200, cut: NEVER, ...over });
/** One works alone for three minutes, and then another comes. */
export const JOINED = [life({}), life({ from_s: 150 })];
