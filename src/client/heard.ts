/**
 * What has been heard of changes: which have come, whether they are being heard, and from which revision on all of them were. What is
 * kept or running asks it whether that still holds.
 */
import type { ChangeEvent } from "../contract/index.js";
import { within } from "./deadline.js";
import type { Outside } from "./outside.js";

/** The work that a change may hit. */
export interface Work {
  agent: string;
  purpose: string;
  task: string | null;
}

/** `anew`: another bundle decides, or the facts are others, so whatever was decided before is void. */
export type Kept = { what: "change"; change: ChangeEvent } | { what: "anew" };

/** What happened, as far as it matters to work. `live`, `silent`: changes are heard, or are no longer. */
export type Happened = Kept | { what: "live" | "silent" };

export type Listener = (happened: Happened) => void;

/** Changes that are kept for answers that are. One from before the oldest of them counts as dropped. */
const KEPT_MAX = 1024;
const NOTHING: readonly Kept[] = [];

export abstract class Heard {
  protected readonly outside: Outside;
  readonly #listeners = new Set<Listener>();
  /** The newest, each with its number: how many came before it. */
  #kept: Kept[] = [];
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

  /** How many changes have come: what `hit` counts from. */
  get mark(): number {
    return this.#count;
  }

  /** Whether every change after this revision has been heard, and the next will be. */
  covers(revision: number): boolean {
    return this.#live && revision >= this.#heardFrom;
  }

  /** What has come since the mark, as far as it is kept; null where that isn't all. */
  since(mark: number): readonly Kept[] | null {
    const since = this.#count - mark;
    if (since === 0) return NOTHING;
    return since > this.#kept.length ? null : this.#kept.slice(-since);
  }

  /** Whether something has come since the mark that may have narrowed an answer on this work and revision. */
  hit(mark: number, work: Work, revision: number): boolean {
    const since = this.since(mark);
    return since?.some((one) => one.what === "anew" || narrows(one.change, work, revision)) ?? true;
  }

  /** @returns what ends it */
  listen(listener: Listener): () => void {
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

  protected happened(happened: Kept): void {
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

  #tell(happened: Happened): void {
    for (const listener of [...this.#listeners]) listener(happened);
  }
}

/** Whether a change may concern this work: each of what it names is the work's own. */
export function hits(change: ChangeEvent, work: Work): boolean {
  return (
    (change.agent ?? work.agent) === work.agent &&
    (change.purpose ?? work.purpose) === work.purpose &&
    (change.task ?? work.task) === work.task
  );
}

/** One that the answer knew, since it was decided on that revision or a later one, is none; one that can't be read is one. */
export function narrows(change: ChangeEvent, work: Work, revision: number): boolean {
  const { narrows = true } = change as Partial<ChangeEvent>;
  return narrows && hits(change, work) && (change.revision ?? Infinity) > revision;
}

/** Whether it cuts off this very work, so that asking again would only say so later. */
export function cutsOff({ change, scope, of }: ChangeEvent, work: Work): boolean {
  if (change !== "revoked") return false;
  return scope === "everything" || (scope === "agent" && of === work.agent) || (scope === "task" && of === work.task);
}
