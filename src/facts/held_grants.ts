/** Grants in memory: what of them a decision sees, by the vocabulary in force, and how often each was used. */
import type { Approval, GrantFactState, InputGrant, Vocabulary } from "../contract/index.js";
import type { GrantFact } from "./entities.js";
import type { CompileEntry, CompiledEntry, KnownPolicy } from "./facts_lookup.js";

/** Kept so long after their end, so that a late question hears how they ended and not that they are unknown. */
export const OVER_KEPT_MS = 3_600_000;
/** Grants longer, so that the unused ones can be found. */
export const GRANTS_KEPT_MS = 30 * 24 * 3_600_000;

/** One caller's approval. */
export type Voice = Approval["given"][number];

export type HeldGrantState = "live" | "unapproved" | "not_yet_valid" | "expired" | "used_up" | "revoked" | "ended";

/** Agent or task that a grant is for. */
export interface GrantHolder {
  kind: "agent" | "task";
  id: string;
}

/** A grant as a decision sees it: approvals only while they are live. */
export interface VisibleGrant {
  readonly state: Exclude<HeldGrantState, "unapproved">;
  readonly input: InputGrant;
  /** True if its uses are counted. */
  readonly counted: boolean;
  readonly expires_ms: number;
}

const NO_GRANTS: readonly VisibleGrant[] = [];

interface HeldGrant {
  fact: GrantFact;
  /** Decisions on record here that rest on it, and those under way. */
  used: number;
  /** Uses that this process of a cluster has taken and that are used, or on their way back. */
  spent: number;
  /** The last view of it; replaced where its state is another, so that equal views are one object. */
  view: VisibleGrant | null;
  compiled: { vocabulary: Vocabulary; entry: CompiledEntry | null; input: InputGrant } | null;
}

export class HeldGrants {
  readonly #policy: () => KnownPolicy | null;
  readonly #compile: CompileEntry;
  readonly #isRevoked: (id: string) => boolean;
  readonly #counts: (voice: Voice) => boolean;
  /** This process of a cluster, as `taken` of a grant names it; null for a service that decides alone. */
  readonly #process: string | null;
  readonly #grants = new Map<string, HeldGrant>();
  readonly #ofAgent = new Map<string, HeldGrant[]>();
  readonly #ofTask = new Map<string, HeldGrant[]>();

  /**
   * @param isRevoked whether a grant is
   * @param counts whether an approval still counts: its caller hasn't been revoked since
   * @param process of a cluster that shares what is counted
   */
  constructor(
    policy: () => KnownPolicy | null,
    compile: CompileEntry,
    isRevoked: (id: string) => boolean,
    counts: (voice: Voice) => boolean,
    process: string | null,
  ) {
    this.#policy = policy;
    this.#compile = compile;
    this.#isRevoked = isRevoked;
    this.#counts = counts;
    this.#process = process;
  }

  get size(): number {
    return this.#grants.size;
  }

  /** Adds or replaces a grant. @returns true if it is new */
  put(fact: GrantFact): boolean {
    const before = this.#grants.get(fact.value.id);
    if (before !== undefined) {
      before.fact = fact;
      before.view = null;
      return false;
    }
    const grant: HeldGrant = { fact, used: 0, spent: 0, view: null, compiled: null };
    this.#grants.set(fact.value.id, grant);
    this.#index(grant, true);
    return true;
  }

  /** Grants that name this agent or task and this type and verb, and those lately over among them. */
  of(agent: string, task: string | null, type: string, verb: string, now_ms: number): readonly VisibleGrant[] {
    const ofAgent = this.#ofAgent.get(agent);
    const ofTask = task === null ? undefined : this.#ofTask.get(task);
    if (ofAgent === undefined && ofTask === undefined) return NO_GRANTS;
    const found: VisibleGrant[] = [];
    for (const grants of [ofAgent, ofTask]) {
      for (const grant of grants ?? []) {
        if (grant.fact.over_ms + OVER_KEPT_MS <= now_ms || !this.#covers(grant, type, verb)) continue;
        found.push(this.#view(grant, now_ms));
      }
    }
    return found;
  }

  /**
   * Live approvals of one action of this agent.
   * @param digest returns the approval digest that they have to be for; called only if the agent has any
   */
  approvals(agent: string, now_ms: number, digest: () => string): readonly VisibleGrant[] {
    const live = this.#ofAgent.get(agent)?.filter((grant) => isApproval(grant.fact) && this.#state(grant, now_ms) === "live") ?? [];
    if (live.length === 0) return NO_GRANTS;
    const wanted = digest();
    return live.filter(({ fact }) => fact.value.approval?.digest === wanted).map((grant) => this.#view(grant, now_ms));
  }

  /**
   * Id of the approval of an action to which another caller's is added: one that waits for more, or is live and has this caller's already.
   * An agent that asks again while its action waits gets another decision of it, and people approve the one or the other.
   */
  openApproval(agent: string, digest: string, by: string, now_ms: number): string | undefined {
    const open = this.#ofAgent.get(agent)?.find((grant) => {
      const { value, expires_ms } = grant.fact;
      if (value.approval?.digest !== digest || now_ms >= expires_ms) return false;
      const state = this.#state(grant, now_ms);
      return state === "unapproved" || (state === "live" && value.approval.given.some((one) => one.by === by));
    });
    return open?.fact.value.id;
  }

  /** Approvals of this agent's actions, in any state. */
  approvalsOf(agent: string): GrantFact[] {
    return this.#ofAgent.get(agent)?.flatMap(({ fact }) => (isApproval(fact) ? [fact] : [])) ?? [];
  }

  /**
   * Takes one use of each of these grants, all or none, at once: from here on they are gone for every other decision.
   * @returns false where one has no use left, or is revoked, ended or unknown
   */
  take(ids: readonly string[]): boolean {
    for (const [i, id] of ids.entries()) {
      const grant = this.#grants.get(id);
      const isGone = grant === undefined || this.#isRevoked(id) || grant.fact.value.ended !== null || !this.#isApproved(grant.fact);
      if (isGone || !this.#hasUse(grant)) {
        this.giveBack(ids.slice(0, i));
        return false;
      }
      grant.used++;
      grant.spent++;
    }
    return true;
  }

  /** Returns the uses that this process has got from the others of its cluster, and that nothing has used. */
  reserved(id: string): number {
    const grant = this.#grants.get(id);
    return grant === undefined ? 0 : this.#reservedOf(grant);
  }

  /** Keeps uses that this process has got from being used, or no longer: they are on their way back. */
  setAside(id: string, uses: number): void {
    const grant = this.#grants.get(id);
    if (grant !== undefined) grant.spent += uses;
  }

  usedHere(id: string): number {
    return this.#grants.get(id)?.used ?? 0;
  }

  /** Gives back what was taken for a decision that was never on record. */
  giveBack(ids: readonly string[]): void {
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant === undefined || grant.used === 0) continue;
      grant.used--;
      grant.spent--;
    }
  }

  /** Counts what decisions on record used, at start. */
  count(ids: readonly string[]): void {
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant !== undefined) grant.used++;
    }
  }

  get(id: string): GrantFact | undefined {
    return this.#grants.get(id)?.fact;
  }

  /** A grant as people ask about it: how it stands, how often it was used, and whether the active vocabulary has what it names. */
  use(id: string, now_ms: number): { state: HeldGrantState; used: number; fits: boolean } | undefined {
    const grant = this.#grants.get(id);
    if (grant === undefined) return undefined;
    const fits = grant.fact.value.entry === null || this.#compiled(grant).entry !== null;
    const { value } = grant.fact;
    const used = this.#process !== null && value.uses !== null ? takenOf(value) - this.#reservedOf(grant) : grant.used;
    return { state: this.#state(grant, now_ms), used, fits };
  }

  /** Grants of a holder that permit something or will: approvals of single actions, or those of entries. */
  liveOf(holder: GrantHolder, exact: boolean, now_ms: number): number {
    return this.#of(holder).filter((grant) => (grant.fact.value.action_digest !== null) === exact && !this.#isOver(grant, now_ms)).length;
  }

  /** All that permit something or will. */
  live(now_ms: number): number {
    let count = 0;
    for (const grant of this.#grants.values()) if (!this.#isOver(grant, now_ms)) count++;
    return count;
  }

  /**
   * Forgets those of a holder, or of all, that are over, but for so many of the latest.
   * @returns whether there were any
   */
  forgetOver(holder: GrantHolder | null, latest: number, now_ms: number, keeps: (id: string) => boolean): boolean {
    const all = holder === null ? [...this.#grants.values()] : this.#of(holder);
    const over = all.filter((grant) => this.#isOver(grant, now_ms) && !keeps(grant.fact.value.id));
    // One that was used up, or ended, is over before the time at which it would have expired: its age goes by when it was given.
    over.sort((a, b) => a.fact.revision - b.fact.revision);
    const forgotten = over.slice(0, Math.max(0, over.length - latest));
    for (const grant of forgotten) this.#forgetOne(grant);
    return forgotten.length > 0;
  }

  *all(): Generator<GrantFact> {
    for (const { fact } of this.#grants.values()) yield fact;
  }

  /**
   * Forgets those that are long over, but for some.
   * @returns whether there were any
   */
  forget(now_ms: number, keeps: (id: string) => boolean): boolean {
    let forgotten = false;
    for (const [id, grant] of this.#grants) {
      if (grant.fact.over_ms + GRANTS_KEPT_MS > now_ms || keeps(id)) continue;
      this.#forgetOne(grant);
      forgotten = true;
    }
    return forgotten;
  }

  /** Returns the grants by id, with the number of uses. */
  dump(): unknown {
    return [...this.#grants].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, { fact, used }]) => [id, fact, used]);
  }

  #of({ kind, id }: GrantHolder): readonly HeldGrant[] {
    return (kind === "agent" ? this.#ofAgent : this.#ofTask).get(id) ?? [];
  }

  #isOver(grant: HeldGrant, now_ms: number): boolean {
    const state = this.#state(grant, now_ms);
    return state !== "live" && state !== "not_yet_valid";
  }

  #forgetOne(grant: HeldGrant): void {
    this.#grants.delete(grant.fact.value.id);
    this.#index(grant, false);
  }

  #index(grant: HeldGrant, there: boolean): void {
    const { agent, task } = grant.fact.value;
    const [index, id] = agent === null ? [this.#ofTask, task ?? ""] : [this.#ofAgent, agent];
    const others = (index.get(id) ?? []).filter((other) => other !== grant);
    if (there) others.push(grant);
    if (others.length === 0) index.delete(id);
    else index.set(id, others);
  }

  #covers(grant: HeldGrant, type: string, verb: string): boolean {
    return this.#compiled(grant).entry?.covers.get(type)?.has(verb) === true;
  }

  #compiled(grant: HeldGrant): NonNullable<HeldGrant["compiled"]> {
    const vocabulary = this.#policy()?.vocabulary ?? NO_VOCABULARY;
    if (grant.compiled?.vocabulary === vocabulary) return grant.compiled;
    const { id, entry: text } = grant.fact.value;
    const made = text === null ? null : this.#compile(text, vocabulary);
    // What no longer fits the vocabulary in force permits nothing.
    const entry = made === null || "field" in made ? null : made;
    const input = { id, exact: isApproval(grant.fact), about: entry?.about ?? "any", when: entry?.when ?? [] };
    grant.view = null;
    return (grant.compiled = { vocabulary, entry, input });
  }

  #view(grant: HeldGrant, now_ms: number): VisibleGrant {
    const state = this.#state(grant, now_ms);
    const { input } = this.#compiled(grant);
    if (grant.view?.state === state) return grant.view;
    const { value, expires_ms } = grant.fact;
    // Nobody looks at an approval that isn't live.
    if (state === "unapproved") throw new Error(`grant ${value.id} is looked at before it is approved`);
    return (grant.view = { state, input, counted: value.uses !== null, expires_ms });
  }

  #state(grant: HeldGrant, now_ms: number): HeldGrantState {
    const { value, not_before_ms, expires_ms } = grant.fact;
    if (this.#isRevoked(value.id)) return "revoked";
    if (value.ended !== null) return "ended";
    if (!this.#isApproved(grant.fact)) return this.#isUsedUp(grant) ? "used_up" : "unapproved";
    if (now_ms < not_before_ms) return "not_yet_valid";
    if (now_ms >= expires_ms) return "expired";
    return this.#isUsedUp(grant) ? "used_up" : "live";
  }

  #isUsedUp(grant: HeldGrant): boolean {
    const { value } = grant.fact;
    if (value.uses === null) return false;
    if (this.#process === null) return grant.used >= value.uses;
    return takenOf(value) >= value.uses && this.#reservedOf(grant) === 0;
  }

  /** Returns true if a use can be taken now: in a cluster only one that this process has got. */
  #hasUse(grant: HeldGrant): boolean {
    const { uses } = grant.fact.value;
    return uses === null || (this.#process === null ? grant.used < uses : this.#reservedOf(grant) > 0);
  }

  #reservedOf({ fact: { value }, spent }: HeldGrant): number {
    return this.#process === null ? 0 : Math.max(0, (value.taken?.[this.#process] ?? 0) - spent);
  }

  /** Always true of grants that have an entry. */
  #isApproved({ value: { approval } }: GrantFact): boolean {
    return approval === undefined || approval.given.filter(this.#counts).length >= approval.quorum;
  }
}

const NO_VOCABULARY: Vocabulary = {
  verbs: {},
  task: { subjects: [], attributes: {} },
  agent: { attributes: {} },
  types: {},
};

/** An older version kept approvals by `action_digest` alone, which left out too much: they permit nothing. */
function isApproval({ value: { approval } }: GrantFact): boolean {
  return approval !== undefined;
}

/** Returns how a process of a cluster is named by grants of which it has taken uses. */
export const processOf = (node: string, incarnation: string): string => `${node}/${incarnation}`;

/** Returns how many uses the processes of a cluster have taken, together. */
export function takenOf({ taken = {} }: Pick<GrantFactState, "taken">): number {
  return Object.values(taken).reduce((sum, uses) => sum + uses, 0);
}
