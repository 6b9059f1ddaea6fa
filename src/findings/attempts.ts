/**
 * One action tried under several purposes, verbs or spellings until one passes. What was denied lately is remembered, an
 * agent's last few; what passes is held against it.
 */
import type { Sighted } from "../contract/index.js";

/** Time for which a denial is held against what comes after it. */
const WINDOW_MS = 10 * 60_000;
/** Different spellings of a request for one resource, all but the last denied, that make a finding. */
const VARIANTS_MAX = 5;
/** Denials remembered of one agent; whoever is denied more within the window hides one among many, and is found for that. */
const ATTEMPTS_MAX = 64;
/**
 * Denials of these remembered where the caller may not ask for the agent; apart from the agent's own, which a stranger must not push out.
 */
const STRANGERS_MAX = 16;
/** Agents that were denied something; the one that was longest ago is forgotten first. */
const AGENTS_MAX = 10_000;

/** Denials that say nothing of what was asked: the same would be denied now, or permitted later, however it is put. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set([
  "everything_revoked",
  "token_revoked",
  "caller_revoked",
  "facts_stale",
  "time_skew",
  "agent_suspended",
  "agent_revoked",
  "owner_revoked",
  "principal_revoked",
  "agent_token_required",
  "agent_token_expired",
  "agent_token_mismatch",
  "agent_token_stale",
  "actor_stopped",
  "task_token_expired",
  "task_revoked",
  "task_ended",
  "task_expired",
  "narrowed_to_read",
  "narrowed_to_task",
  "narrowed_rate",
  "evaluation_failed",
  "evaluation_budget",
  "result_invalid",
  "unusual_denied",
]);

interface Attempt {
  time_ms: number;
  purpose: string;
  /** Verb, type and id as they were spelled. */
  spelled: string;
  /** Verb by its looks, so that look-alike letters are equal. */
  verb: string;
  subject: string;
  /** Asked for by a caller that may not. */
  stranger: boolean;
}

const NONE: readonly Attempt[] = [];

export class AgentAttempts {
  /** The least lately denied first. */
  readonly #agents = new Map<string, readonly Attempt[]>();

  /** Remembers a denial. @returns true if the action looks like shopping, given what was denied before */
  take(sighted: Sighted): boolean {
    const { agent, known, decision, time_ms, purpose } = sighted;
    const isDenied = decision === "deny";
    // Whoever isn't registered is denied whatever it asks.
    if (!known || (isDenied && denying(sighted).every(({ code }) => isOfTheMoment(code)))) return false;
    const remembered = this.#agents.get(agent) ?? NONE;
    const isLate = ({ time_ms: then }: Attempt): boolean => time_ms - then < WINDOW_MS;
    if (!isDenied && !remembered.some(isLate)) return false;
    const attempt: Attempt = {
      time_ms,
      purpose,
      spelled: spelling(sighted),
      verb: looks(sighted.verb),
      subject: `${looks(sighted.type)}\n${sighted.id === null ? "" : looks(sighted.id)}`,
      stranger: isDenied && denying(sighted).every(({ code }) => code === "caller_not_permitted"),
    };
    const same = remembered.filter((one) => one.subject === attempt.subject && isLate(one));
    const isFound = (!isDenied && same.some((one) => isRetry(one, attempt))) || variants(same, attempt) >= VARIANTS_MAX;
    if (!isDenied) return isFound;
    const all = [...remembered.filter((one) => isLate(one) && !isSame(one, attempt)), attempt];
    const [own, strangers] = [all.filter(({ stranger }) => !stranger), all.filter(({ stranger }) => stranger)];
    this.#remember(agent, [...strangers.slice(-STRANGERS_MAX), ...own.slice(-ATTEMPTS_MAX)]);
    return isFound || own.length > ATTEMPTS_MAX;
  }

  /** Returns everything remembered, for comparing two of these. */
  dump(): unknown {
    return [...this.#agents];
  }

  #remember(agent: string, attempts: Attempt[]): void {
    this.#agents.delete(agent);
    this.#agents.set(agent, attempts);
    if (this.#agents.size <= AGENTS_MAX) return;
    const [oldest] = this.#agents.keys();
    if (oldest !== undefined) this.#agents.delete(oldest);
  }
}

/** Returns true if a denial with this code says nothing about what was asked. */
export const isOfTheMoment = (code: string): boolean => OF_THE_MOMENT.has(code);

const denying = ({ reasons }: Sighted): Sighted["reasons"] => reasons.filter(({ effect }) => effect === "deny");

const isSame = (a: Attempt, b: Attempt): boolean => a.purpose === b.purpose && a.spelled === b.spelled;

/** The same act on the same resource, put otherwise. */
function isRetry(denied: Attempt, passed: Attempt): boolean {
  return denied.verb === passed.verb && !isSame(denied, passed);
}

function variants(denied: readonly Attempt[], now: Attempt): number {
  if (denied.length === 0) return 1;
  return new Set([...denied, now].map(({ purpose, spelled }) => `${purpose}\n${spelled}`)).size;
}

const spelling = ({ verb, type, id }: Sighted): string => `${verb}\n${type}\n${id ?? ""}`;

/** Letters of other scripts that are drawn as Latin ones, in the order of `LATIN`: of UTS #39's, those of one stroke's difference. */
const OTHERS = "аеорсухіјѕһԁԛԝɡαορυνικτ";
const LATIN = "aeopcyxijshdqwgaopuvikt";
const LATIN_OF = new Map(Array.from(OTHERS, (letter, i) => [letter, LATIN[i] ?? letter]));
const ONE_STROKE = /[i1|!]/g;

const ASCII = /^[\x20-\x7e]*$/;

function latinOf(text: string): string {
  const plain = text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();
  return ASCII.test(plain) ? plain : Array.from(plain, (letter) => LATIN_OF.get(letter) ?? letter).join("");
}

/** One form for all that a person would take for one another: by case, width, accents, script, or by how it is drawn. */
export function looks(text: string): string {
  return (ASCII.test(text) ? text.toLowerCase() : latinOf(text))
    .replaceAll(ONE_STROKE, "l")
    .replaceAll("0", "o")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll(/[-_. ]/g, "");
}
