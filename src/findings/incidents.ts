/**
 * Which finding an action belongs to, decided in the turn in which its record is handed to the log, from memory. It follows
 * from the records before it, in their order, and the times in them: whoever reads those comes to the same.
 *
 * An incident is what one agent does for one purpose and about one thing, until it has been quiet for a while, has gone on
 * for long, or somebody has judged it. An agent has so many at once; whatever it does beyond them is one more.
 */
import type { Sighted } from "../contract/index.js";
import { aboutOfId, findingId, findingIds, isBehavior, leading, openedMs } from "./about.js";
import { AgentAttempts } from "./attempts.js";
import { Denials } from "./denials.js";

/** An incident is over after so long without an action of it, or so long after its first. */
export const QUIET_MS = 30 * 60_000;
export const LENGTH_MS = 4 * 3_600_000;
/** Most incidents of one agent at once. */
export const INCIDENTS_MAX = 16;
/** Agents with incidents; the one whose last was longest ago is forgotten first. */
const AGENTS_MAX = 10_000;

interface Incident {
  id: string;
  last_ms: number;
}

/** Key that tells an agent's incidents apart; all agents that nobody has registered share one set of incidents. */
type Key = string;

export class Incidents {
  /** The one whose last was longest ago first. */
  readonly #agents = new Map<string, Map<Key, Incident>>();
  readonly #keys = new Map<string, { who: string; key: Key }>();
  readonly #attempts = new AgentAttempts();
  readonly #denials = new Denials();

  /** @returns the id of the finding that this belongs to; null where there is nothing to look into */
  place(sighted: Sighted): string | null {
    const isShopping = this.#attempts.take(sighted);
    const areDenials = this.#denials.take(sighted);
    if (!sighted.opens && !isShopping && !areDenials) return null;
    const alone = isShopping ? "shopping" : sighted.opens ? null : "denials";
    const key = alone ?? keyOf(sighted);
    const of = this.#agents.get(whoOf(sighted));
    const live = (name: Key): string | null => liveId(of?.get(name), sighted.time_ms);
    const known = live(key);
    if (known !== null) return this.#note(sighted, known);
    const others = [...(of?.keys() ?? [])].filter((name) => name !== "flood" && live(name) !== null);
    if (others.length < INCIDENTS_MAX) {
      return this.#note(sighted, findingId(sighted.decision_id, alone ?? "code"));
    }
    return this.#note(sighted, live("flood") ?? findingId(sighted.decision_id, "flood"));
  }

  /** Takes in what is on record: the finding that was named for it, or null. In the records' order. */
  recall(sighted: Sighted, finding: string | null): void {
    this.#attempts.take(sighted);
    this.#denials.take(sighted);
    if (finding !== null) this.#note(sighted, finding);
  }

  /** The record of this decision is not on disk: no incident begins with it. */
  unrecorded(decisionId: string): void {
    for (const id of findingIds(decisionId)) this.close(id);
  }

  /** Closes an incident: what comes after a verdict belongs to another. */
  close(finding: string): void {
    const at = this.#keys.get(finding);
    if (at === undefined) return;
    this.#keys.delete(finding);
    const of = this.#agents.get(at.who);
    of?.delete(at.key);
    if (of?.size === 0) this.#agents.delete(at.who);
  }

  /** All that is known, for comparing two of these. */
  dump(): unknown {
    return { agents: [...this.#agents].map(([who, of]) => [who, [...of]]), attempts: this.#attempts.dump(), denials: this.#denials.dump() };
  }

  #note(sighted: Sighted, id: string): string {
    const who = whoOf(sighted);
    const key = aboutOfId(id) ?? keyOf(sighted);
    const of = this.#agents.get(who) ?? new Map<Key, Incident>();
    this.#agents.delete(who);
    this.#agents.set(who, of);
    if (of.get(key)?.id !== id) {
      for (const [other, incident] of of) {
        if (other === key || liveId(incident, sighted.time_ms) === null) this.#forget(of, other, incident);
      }
      this.#keys.set(id, { who, key });
    }
    of.set(key, { id, last_ms: sighted.time_ms });
    if (this.#agents.size > AGENTS_MAX) this.#forgetAgent();
    return id;
  }

  #forget(of: Map<Key, Incident>, key: Key, { id }: Incident): void {
    of.delete(key);
    this.#keys.delete(id);
  }

  #forgetAgent(): void {
    const [oldest] = this.#agents;
    if (oldest === undefined) return;
    const [who, of] = oldest;
    for (const [key, incident] of of) this.#forget(of, key, incident);
    this.#agents.delete(who);
  }
}

function liveId(incident: Incident | undefined, now_ms: number): string | null {
  if (incident === undefined) return null;
  const { id, last_ms } = incident;
  return now_ms - last_ms < QUIET_MS && now_ms - openedMs(id) < LENGTH_MS ? id : null;
}

const whoOf = ({ agent, known }: Sighted): string => (known ? agent : "");

/** Returns an action's key. All actions without a reason to look into them share the empty code. */
function keyOf({ kind, purpose, known, reasons }: Sighted): Key {
  const code = leading(kind, reasons)?.code ?? "";
  // Purposes of agents that nobody has registered are anybody's words too.
  return `${known ? purpose : ""}\n${isBehavior(code) ? "behavior" : `code ${code}`}`;
}
