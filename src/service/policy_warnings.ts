/**
 * Watches what keeps policy fresh, and puts on record with a finding what would make it stale: the active bundle expires, or the source of
 * its successors doesn't answer. Whoever stands between a source and a service could keep it at an old policy otherwise.
 */
import { ITSELF } from "../behavior/adjustments.js";
import type { Engine } from "../decision/ports.js";
import type { Notices } from "../findings/notices.js";
import { watchExpiry, type Expiring } from "../policy/expiry.js";
import type { SourcePullerStatus } from "../sources/puller.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

/** A source without an answer for so long is frozen; the alert `RemitBundleSourceSilent` has the same limit. */
const SOURCE_SILENT_MS = 15 * 60_000;
const LOOK_EVERY_MS = 60_000;

type PolicyNotice = "policy_expiring" | "policy_expired" | "policy_source_silent";

export interface PolicyWarningsDeps {
  engine: Engine;
  /** Source that bundles are fetched from; null: none is configured. */
  source: { readonly kind: string; readonly url: string; readonly status: SourcePullerStatus } | null;
  notices: Pick<Notices, "note">;
  system: Pick<System, "clock" | "timers">;
  logger: Logger;
}

/** Begins to watch. @returns ends it */
export function watchPolicy({ engine, source, notices, system, logger }: PolicyWarningsDeps): () => void {
  const { clock, timers } = system;
  const note = async (code: PolicyNotice, message: string, detail: Record<string, unknown>): Promise<boolean> => {
    try {
      await notices.note({ code, caller: ITSELF, agent: null, purpose: null, message, detail });
      return true;
    } catch {
      // The log itself reports that it can't be written.
      return false;
    }
  };
  const stopExpiry = watchExpiry(engine, system, (expiring) => {
    reportExpiry(expiring, logger);
    const { identity, expires_ms, left_ms } = expiring;
    const detail = { digest: identity.digest, expires: new Date(expires_ms).toISOString() };
    if (left_ms <= 0) void note("policy_expired", "the active bundle has expired; nothing is decided", detail);
    else {
      const days = Math.ceil(left_ms / 86_400_000);
      void note("policy_expiring", `the active bundle expires in ${days} day${days === 1 ? "" : "s"}`, detail);
    }
  });
  if (source === null) return stopExpiry;
  const began_ms = clock.monotonic();
  // False again once the source has answered.
  let isNoted = false;
  const stopSource = timers.every(LOOK_EVERY_MS, () => {
    const { silent_ms, failing } = source.status;
    const silent = silent_ms ?? clock.monotonic() - began_ms;
    if (silent < SOURCE_SILENT_MS) {
      isNoted = false;
      return;
    }
    if (isNoted) return;
    isNoted = true;
    const { kind, url } = source;
    const message = `the source of bundles has not answered for ${Math.floor(silent / 60_000)} minutes; the policy may be an old one`;
    report(logger, "bundle_source_silent", { code: "policy_source_silent", kind, url, silent_s: Math.floor(silent / 1000) });
    void note("policy_source_silent", message, { kind, url, failing }).then((isRecorded) => {
      isNoted = isRecorded;
    });
  });
  return () => {
    stopExpiry();
    stopSource();
  };
}

function reportExpiry({ identity, expires_ms, left_ms }: Expiring, logger: Logger): void {
  const fields = { ...identity, expires: new Date(expires_ms).toISOString() };
  if (left_ms > 0) report(logger, "bundle_expiring", { ...fields, left_s: Math.floor(left_ms / 1000) });
  else report(logger, "bundle_expired", { ...fields, code: "bundle_expired" });
}
