/** Opens the way back to an earlier bundle, and logs when a bundle that was kept for it can't be used any more. */
import { BundleError } from "../bundle/errors.js";
import { verifyBundle } from "../bundle/verify.js";
import { WayBack, type WayBackOptions } from "../policy/way_back.js";
import type { Config } from "../system/config.js";
import { errorMessage } from "../system/error_message.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { trustNow } from "./trusted_keys.js";

/** Opens the way back, with what an earlier process kept if it may still be used. */
export async function openWayBack(
  config: Config,
  parts: Pick<WayBackOptions, "kept" | "trusted" | "clock" | "limits" | "active">,
  logger: Logger,
): Promise<WayBack> {
  const { name, state_dir } = config.bundle;
  const trust = trustNow(config);
  const { clock, limits } = parts;
  const wayBack = new WayBack({
    ...parts,
    state_dir,
    verify: (bytes) => verifyBundle(bytes, { name, ...trust(), nowMs: clock.wall(), limits }),
  });
  try {
    await wayBack.open();
  } catch (cause) {
    const code = cause instanceof BundleError ? cause.code : "internal";
    report(logger, "way_back_unusable", { code, detail: errorMessage(cause) });
  }
  return wayBack;
}
