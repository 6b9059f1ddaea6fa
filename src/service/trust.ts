/** Bundles that were trusted before, by two witnesses. */
import { lastPolicy } from "../audit/log/last_policy.js";
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
  if (last !== null && (await trusted.remember(last))) report(logger, "bundle_trust_behind", { code: "trust_behind", ...last });
  return trusted;
}
