/** Grave denials of one agent in a row: each by itself is no more than a deny, and together somebody has to look at them. */
import type { Sighted } from "../contract/index.js";
import { gravity } from "./about.js";
import { isOfTheMoment } from "./attempts.js";

/** Denials of one agent, within so long, that are an incident. */
const REPEATED = 3;
const WITHIN_MS = 30 * 60_000;
/** Agents with grave denials; the one whose last is oldest is forgotten first. */
const AGENTS_MAX = 10_000;

export class Denials {
  /** Times of an agent's latest grave denials. */
  readonly #agents = new Map<string, readonly number[]>();

  /** Returns whether this is one of several grave denials of its agent, and remembers it if it is grave. */
  take(sighted: Sighted): boolean {
    if (!isGrave(sighted)) return false;
    const { agent, time_ms } = sighted;
    const recent = [...(this.#agents.get(agent) ?? []).filter((then) => time_ms - then < WITHIN_MS), time_ms].slice(-REPEATED);
    this.#agents.delete(agent);
    this.#agents.set(agent, recent);
    if (this.#agents.size > AGENTS_MAX) this.#forgetOldest();
    return recent.length === REPEATED;
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

/** Of what an agent that is known has tried by itself: a stranger's request in its name is no act of its own. */
function isGrave({ known, decision, kind, reasons }: Sighted): boolean {
  if (!known || decision !== "deny" || kind !== "decision") return false;
  return reasons.some(
    ({ effect, code, severity }) =>
      effect === "deny" && gravity(severity) >= gravity("high") && code !== "caller_not_permitted" && !isOfTheMoment(code),
  );
}
