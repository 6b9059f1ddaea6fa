/**
 * Watches whether the nodes of a cluster run the same bundle. What one node permits another denies while they don't: for as long as a roll-out
 * takes that is meant, for longer it is a finding.
 */
import { ITSELF } from "../behavior/adjustments.js";
import type { FleetBundlesAnswer } from "../contract/index.js";
import type { Notices } from "../findings/notices.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

const LOOK_EVERY_MS = 1000;

/** The node of a cluster, as far as it knows what others run. */
export interface BundleWatchNode {
  readonly name: string;
  readonly live: readonly string[];
  readonly bundles: FleetBundlesAnswer;
}

export interface FleetBundlesDeps {
  node: BundleWatchNode;
  /** Milliseconds for which nodes may run different bundles. */
  differ_ms_max: number;
  notices: Pick<Notices, "note">;
  system: Pick<System, "timers">;
  logger: Logger;
}

/** Begins to watch. @returns ends it */
export function watchFleetBundles({ node, differ_ms_max, notices, system, logger }: FleetBundlesDeps): () => void {
  let [isReported, isNoted] = [false, false];
  return system.timers.every(LOOK_EVERY_MS, () => {
    const { differ_ms, running } = node.bundles;
    if (differ_ms === null) [isReported, isNoted] = [false, false];
    if (differ_ms === null || differ_ms < differ_ms_max) return;
    const nodes = running.map(({ digest, nodes: of }) => `${of.join(", ")}: ${digest ?? "none"}`);
    if (!isReported) report(logger, "bundles_differ", { code: "policy_differs", differ_s: Math.floor(differ_ms / 1000), running });
    isReported = true;
    // One finding is enough: the first of the nodes that are live opens it.
    if (isNoted || [...node.live].sort()[0] !== node.name) return;
    isNoted = true;
    const message = `nodes of the cluster have run different bundles for ${spanText(differ_ms)} (${nodes.join("; ")})`;
    notices.note({ code: "policy_differs", caller: ITSELF, agent: null, purpose: null, message, detail: { running } }).catch(() => {
      // The log itself reports that it can't be written.
      isNoted = false;
    });
  });
}

function spanText(ms: number): string {
  return ms < 120_000 ? `${Math.floor(ms / 1000)} seconds` : `${Math.floor(ms / 60_000)} minutes`;
}
