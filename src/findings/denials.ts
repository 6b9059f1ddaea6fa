/** Grave denials of one agent in a row: each by itself is no more than a deny, and together somebody has to look at them. */
import type { Sighted } from "../contract/index.js";
import { isOfTheMoment } from "./attempts.js";

/** Weight of denials of one agent, within so long, that is an incident: three critical ones, or six high ones. */
const INCIDENT = 6;
const WEIGHTS: Readonly<Partial<Record<Sighted["reasons"][number]["severity"], number>>> = { high: 1, critical: 2 };
const WITHIN_MS = 30 * 60_000;
/** Agents with grave denials; the one whose last is oldest is forgotten first. */
const AGENTS_MAX = 10_000;

interface Denial {
  time_ms: number;
  weight: number;
}

export class Denials {
  /** Latest grave denials of each agent, no more than make an incident. */
  readonly #agents = new Map<string, readonly Denial[]>();

  /** Returns whether this is one of several grave denials of its agent, and remembers it if it is grave. */
  take(sighted: Sighted): boolean {
    const weight = weightOf(sighted);
    if (weight === 0) return false;
    const { agent, time_ms } = sighted;
    const before = (this.#agents.get(agent) ?? []).filter((one) => time_ms - one.time_ms < WITHIN_MS);
    const recent = [...before, { time_ms, weight }].slice(-INCIDENT);
    this.#agents.delete(agent);
    this.#agents.set(agent, recent);
    if (this.#agents.size > AGENTS_MAX) this.#forgetOldest();
    return recent.reduce((sum, one) => sum + one.weight, 0) >= INCIDENT;
  }

  #forgetOldest(): void {
    const [oldest] = this.#agents.keys();
    if (oldest !== undefined) this.#agents.delete(oldest);
  }

  /** All that is remembered, for comparing two of these. */
  dump(): unknown {
    return [...this.#agents];
  }
}

/** Weight of what an agent that is known has tried by itself: a stranger's request in its name is no act of its own. */
function weightOf({ known, decision, kind, reasons }: Sighted): number {
  if (!known || decision !== "deny" || kind !== "decision") return 0;
  const own = reasons.filter(({ effect, code }) => effect === "deny" && code !== "caller_not_permitted" && !isOfTheMoment(code));
  return Math.max(0, ...own.map(({ severity }) => WEIGHTS[severity] ?? 0));
}
