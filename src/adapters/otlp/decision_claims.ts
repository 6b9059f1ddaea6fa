/**
 * Finds whether what an agent did had been permitted before: by a decision on record, for the same call as far as both say what it is,
 * shortly before it began. One decision is for one call, so each counts for one.
 */
import {
  canonical,
  pointerToken,
  type Act,
  type DecisionRecord,
  type FoundRecord,
  type PolicyInput,
  type RecordFilter,
  type RecordPage,
} from "../../contract/index.js";
import { FairMap } from "../../system/fair_map.js";

export interface AskedOptions {
  /** Time before the call that its decision may have been. */
  within_ms: number;
  /** Time by which the reporter's clock may be ahead or behind. */
  skew_ms: number;
  /** The records index. @throws Problem `index_unavailable` */
  find: (filter: RecordFilter, limit: number) => Promise<RecordPage>;
}

/** Decisions that calls have been found for; beyond, the agent with most loses its oldest. */
const CLAIMS_MAX = 100_000;
/** Decisions of one agent on one resource that are looked through. */
const LOOKED_AT_MAX = 200;

export class DecisionClaims {
  readonly #options: AskedOptions;
  /** Calls by the decision that they were claimed for. */
  readonly #claims = new FairMap<string>(CLAIMS_MAX);

  constructor(options: AskedOptions) {
    this.#options = options;
  }

  /**
   * @param call names it: the same call finds its decision again
   * @param act with names as records have them
   * @param request as the call's arguments say it
   * @returns the decision that permitted it; null: none did
   */
  async before(call: string, { agent, verb, type, id, time_ms, purpose, task }: Act, request: Called): Promise<string | null> {
    const { within_ms, skew_ms, find } = this.#options;
    const from = time_ms - within_ms - skew_ms;
    const filter: RecordFilter = {
      ...{ kind: ["decision"], proceed: true, agent, verb, type, from, to: time_ms + skew_ms + 1 },
      ...(id !== null && { resource: id }),
    };
    const { items } = await find(filter, LOOKED_AT_MAX);
    const isIt = ({ action, record }: FoundRecord): boolean =>
      action?.id === id &&
      action.purpose === purpose &&
      (action.task === null || task === null || action.task === task) &&
      agrees(record, request);
    const decisions = items.filter(isIt).map(idOf);
    // From here on nothing else runs: no two calls take the same one.
    const own = decisions.find((decision) => this.#claims.get(decision) === call);
    if (own !== undefined) return own;
    const free = decisions.find((decision) => !this.#claims.has(decision));
    if (free === undefined) return null;
    this.#claims.set(agent, free, call);
    return free;
  }
}

/** A call, as far as is known what it did. */
type Called = Pick<PolicyInput["request"], "arguments" | "related" | "resource">;

const MEMBERS = ["arguments", "related", "resource"] as const;

/** Returns whether a decision's request has the same arguments and attributes as a call, of those that both say. */
function agrees(record: FoundRecord["record"], call: Called): boolean {
  const { input, masked = [] } = record as Partial<DecisionRecord>;
  const asked = (input as { request?: Partial<Called> } | undefined)?.request ?? {};
  const hidden = new Set(masked);
  return MEMBERS.every((name) => isAlike(asked[name], call[name], `/input/request/${name}`, hidden));
}

/** @param hidden JSON pointers of what the record has masked, which can't be compared */
function isAlike(one: unknown, other: unknown, at: string, hidden: ReadonlySet<string>): boolean {
  if (one === null || one === undefined || other === null || other === undefined || hidden.has(at)) return true;
  if (typeof one !== "object" || typeof other !== "object" || Array.isArray(one)) return canonical(one) === canonical(other);
  const members = other as Readonly<Record<string, unknown>>;
  return Object.entries(one).every(([name, value]) => isAlike(value, members[name], `${at}/${pointerToken(name)}`, hidden));
}

const idOf = ({ record }: FoundRecord): string => ("answer" in record ? record.answer.decision_id : "");
