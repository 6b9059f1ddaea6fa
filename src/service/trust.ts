/** Bundles that were trusted before, by two witnesses. */
import { lastActivated, lastPolicy } from "../audit/log/last_policy.js";
import { TrustedStore } from "../bundle/trusted_store.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** Opens what was trusted, by the folder that keeps it and by the log: either may have been lost, or put back from a backup. */
export async function openTrusted(
  { bundle: { state_dir }, log }: { bundle: { state_dir: string }; log: { dir: string } },
  logger: Logger,
): Promise<TrustedStore> {
  const trusted = await TrustedStore.open(state_dir);
  const last = lastPolicy(log.dir);
  if (last === null || trusted.knows(last)) return trusted;
  // A staged bundle has decided without having been activated. A log that has lost its activations is believed as it is.
  const activated = lastActivated(log.dir) ?? last;
  if (await trusted.remember(activated)) report(logger, "bundle_trust_behind", { code: "trust_behind", ...activated });
  return trusted;
}
