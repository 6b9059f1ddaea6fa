/**
 * Changes received from the decision point: which have come, whether they are being received, and the revision after which none was missed.
 * Kept answers and running actions are checked against it.
 */
import type { ChangeEvent } from "../contract/index.js";
import { within } from "./deadline.js";
import type { Outside } from "./outside.js";

/** The work that a change may hit. */
export interface AffectedWork {
  agent: string;
  purpose: string;
  task: string | null;
}

/** Change kept for later checks, or a break: another bundle decides, or the store is another, so every earlier decision is void. */
export type KeptChange = { what: "change"; change: ChangeEvent } | { what: "anew" };

/** Event that concerns work under way. `live`, `silent`: changes are being received, or no longer are. */
export type WorkEvent = KeptChange | { what: "live" | "silent" };

export type WorkListener = (happened: WorkEvent) => void;

/** Changes that are kept for answers that are. One from before the oldest of them counts as dropped. */
const KEPT_MAX = 1024;
const NOTHING: readonly KeptChange[] = [];

export abstract class ChangeReceiver {
  protected readonly outside: Outside;
  readonly #listeners = new Set<WorkListener>();
  /** The newest, each with its number: how many came before it. */
  #kept: KeptChange[] = [];
  #count = 0;
  #live = false;
  /** All changes after this revision were heard. */
  #heardFrom = Infinity;

  constructor(outside: Outside) {
    this.outside = outside;
  }

  /** Begins, if it hasn't. */
  abstract start(): void;
  /** For good. */
  abstract close(): void;

  /** Number of changes that have come: what `hit` counts from. */
  get mark(): number {
    return this.#count;
  }

  /** Returns true if every change after this revision has been received, and changes still are. */
  covers(revision: number): boolean {
    return this.#live && revision >= this.#heardFrom;
  }

  /** Returns everything received since the mark; null if some of it is no longer kept. */
  since(mark: number): readonly KeptChange[] | null {
    const since = this.#count - mark;
    if (since === 0) return NOTHING;
    return since > this.#kept.length ? null : this.#kept.slice(-since);
  }

  /** Returns true if something received since the mark may have narrowed an answer about this work on this revision. */
  hit(mark: number, work: AffectedWork, revision: number): boolean {
    const since = this.since(mark);
    return since?.some((one) => one.what === "anew" || narrows(one.change, work, revision)) ?? true;
  }

  /** Adds a listener. @returns a function that removes it */
  listen(listener: WorkListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Resolves once changes are heard. @throws Undecided `deadline`, `cancelled` */
  async ready(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#live) return;
    let unlisten = (): void => undefined;
    const live = new Promise<void>((resolve) => {
      unlisten = this.listen(({ what }) => {
        if (what === "live") resolve();
      });
    });
    await within(this.outside, ms, signal, () => live).finally(unlisten);
  }

  protected happened(happened: KeptChange): void {
    this.#count++;
    this.#kept.push(happened);
    if (this.#kept.length > 2 * KEPT_MAX) this.#kept = this.#kept.slice(-KEPT_MAX);
    this.#tell(happened);
  }

  /** @param resumed whether all since an earlier stream have been heard too */
  protected live(revision: number, resumed: boolean): void {
    if (!resumed || this.#heardFrom === Infinity) this.#heardFrom = revision;
    if (this.#live) return;
    this.#live = true;
    this.#tell({ what: "live" });
  }

  /** Another store's facts: what was heard before is worth nothing. */
  protected anew(revision: number): void {
    this.#heardFrom = revision;
    this.happened({ what: "anew" });
  }

  protected silent(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#tell({ what: "silent" });
  }

  #tell(happened: WorkEvent): void {
    for (const listener of [...this.#listeners]) listener(happened);
  }
}

/** Returns true if a change may concern this work: every member that it names equals the work's. */
export function hits(change: ChangeEvent, work: AffectedWork): boolean {
  return (
    (change.agent ?? work.agent) === work.agent &&
    (change.purpose ?? work.purpose) === work.purpose &&
    (change.task ?? work.task) === work.task
  );
}

/**
 * Returns true if a change may narrow an answer about this work. A change up to the revision that the answer was decided on doesn't count;
 * a change that can't be read does.
 */
export function narrows(change: ChangeEvent, work: AffectedWork, revision: number): boolean {
  const { narrows = true } = change as Partial<ChangeEvent>;
  return narrows && hits(change, work) && (change.revision ?? Infinity) > revision;
}

/** Returns true if the change revokes this very work, so that asking again would only return the same later. */
export function cutsOff({ change, scope, of }: ChangeEvent, work: AffectedWork): boolean {
  if (change !== "revoked") return false;
  return scope === "everything" || (scope === "agent" && of === work.agent) || (scope === "task" && of === work.task);
}
