/** Declares the bounds of a service: what its callers and agents share, and how much of it is taken. */
import type { BundleWaiters } from "../http/bundle_waiters.js";
import type { Admission } from "../http/admission.js";
import { HELD_MAX } from "../findings/held_actions.js";
import { COUNT_LIMITS } from "../flow/counts.js";
import { AWAITED_MAX, type Flow } from "../flow/flow.js";
import { SEEN_LIMITS } from "../flow/seen_memory.js";
import type { Config } from "../system/config.js";
import { Bounds } from "../system/bounds.js";

/** Collection with a size. */
interface Sized {
  readonly size: number;
}

export interface BoundedThings {
  admission: Admission;
  observing: Admission;
  handingIn: Admission;
  connections: () => number;
  subscribers: Sized;
  recordFollowers: Sized;
  findingFollowers: Sized;
  waiters: Pick<BundleWaiters, "size">;
  findings: Sized;
  held: Sized;
  profiles: () => number;
  flow: { readonly size: Flow["size"] };
}

export function declareBounds(config: Config, things: BoundedThings): Bounds {
  const { limits, events, log, findings, bundle, observe, behavior } = config;
  const bounds = new Bounds();
  const byCaller = (name: string, max: number, used: () => number): void => {
    bounds.declare({ name, max, used, shared_by: "caller" });
  };
  const byAgent = (name: string, max: number, used: () => number): void => {
    bounds.declare({ name, max, used, shared_by: "agent" });
  };
  byCaller("limits.decisions_max", limits.decisions_max, () => things.admission.underWay);
  byCaller("limits.connections_max", limits.connections_max, things.connections);
  byCaller("events.subscribers_max", events.subscribers_max, () => things.subscribers.size);
  byCaller("log.index.followers_max", log.index.followers_max, () => things.recordFollowers.size);
  byCaller("findings.followers_max", findings.followers_max, () => things.findingFollowers.size);
  byCaller("bundle.waiters_max", bundle.waiters_max, () => things.waiters.size);
  byCaller("observe.streams_max", observe.streams_max, () => things.observing.underWay);
  byCaller("records handed in at once", HAND_INS_MAX, () => things.handingIn.underWay);
  byAgent("findings.kept_max", findings.kept_max, () => things.findings.size);
  byAgent("actions that wait", HELD_MAX, () => things.held.size);
  byAgent("behavior.agents_max", behavior.agents_max, things.profiles);
  byAgent("answers awaited", AWAITED_MAX, () => things.flow.size.awaited);
  byAgent("values remembered of tasks", SEEN_LIMITS.total_max, () => things.flow.size.total);
  byAgent("counters of limits", COUNT_LIMITS.counters_max, () => things.flow.size.counters);
  return bounds;
}

/** At once: decisions have the first call on everything that they share. */
export const HAND_INS_MAX = 4;
