/** Says in time that the active bundle expires, and that it has: its successor may be withheld by whoever stands between. */
import type { PolicyIdentity } from "../contract/index.js";
import type { Engine } from "../decision/ports.js";
import type { System } from "../system/index.js";

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 14 * DAY_MS;
const LOOK_EVERY_MS = 60_000;

/** The active bundle expires within 14 days; `left_ms` is zero or less once it has. */
export interface Expiring {
  identity: PolicyIdentity;
  expires_ms: number;
  left_ms: number;
}

/** Tells of each bundle once a day, and at once when it has expired, until the returned function is called. */
export function watchExpiry(
  engine: Engine,
  { clock, timers }: Pick<System, "clock" | "timers">,
  tell: (expiring: Expiring) => void,
): () => void {
  let told: { digest: string; expired: boolean; at_ms: number } | null = null;
  const look = (): void => {
    const { active } = engine;
    if (active === null || active.expires_ms === null) return;
    const { identity, expires_ms } = active;
    const left_ms = expires_ms - clock.wall();
    if (left_ms > WARN_BEFORE_MS) return;
    const now = { digest: identity.digest, expired: left_ms <= 0, at_ms: clock.monotonic() };
    if (told?.digest === now.digest && told.expired === now.expired && now.at_ms - told.at_ms < DAY_MS) return;
    told = now;
    tell({ identity, expires_ms, left_ms });
  };
  look();
  return timers.every(LOOK_EVERY_MS, look);
}
