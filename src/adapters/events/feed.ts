/**
 * Events that one stream is to send next: made from the changes of facts after its place, so that nothing is lost that the store has. An
 * event stays until its receiver has accepted it; the place moves on over what was accepted, or needn't be sent.
 */
import type { ToldEvent } from "./told_events.js";

/** Changes of facts, durable ones alone, and what each comes to for a stream. */
export interface ChangeFeed<C extends { revision: number }> {
  /** Revision of the last change that is known. */
  readonly revision: number;
  /** Changes after a revision, oldest first. @throws Problem `store_unavailable` */
  read(after: number, limit: number): Promise<readonly C[]>;
}

export interface PendingEvent {
  jti: string;
  /** Null: of no change. */
  revision: number | null;
  /** When it happened, seconds since the epoch. */
  issued_s: number;
  event: ToldEvent;
}

const PAGE = 100;

export class PendingEvents<C extends { revision: number }> {
  readonly #feed: ChangeFeed<C>;
  readonly #max: number;
  readonly #eventsOf: (change: C) => PendingEvent[];
  /** Events by `jti`, in the order in which they are sent. */
  readonly #pending = new Map<string, PendingEvent>();
  /** Up to this revision it is known what is to be told. */
  #looked: number;
  #looking: Promise<void> | null = null;

  /** @param place everything up to this revision was taken */
  constructor(feed: ChangeFeed<C>, place: number, max: number, eventsOf: (change: C) => PendingEvent[]) {
    this.#feed = feed;
    this.#max = max;
    this.#eventsOf = eventsOf;
    this.#looked = Math.min(place, feed.revision);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Changes of which it isn't known yet whether it is told of them. */
  get behind(): number {
    return this.#feed.revision - this.#looked;
  }

  /** Up to this revision everything was taken, or needn't be told. */
  get place(): number {
    for (const { revision } of this.#pending.values()) if (revision !== null) return revision - 1;
    return this.#looked;
  }

  get has(): boolean {
    return this.#pending.size > 0 || this.behind > 0;
  }

  /** The first events that weren't taken, as many as there are. @throws Problem `store_unavailable` */
  async first(count: number): Promise<PendingEvent[]> {
    if (this.#pending.size < count) await this.#look();
    return [...this.#pending.values()].slice(0, count);
  }

  /** Adds an event that is asked for, and belongs to no change. */
  add(event: PendingEvent): void {
    this.#pending.set(event.jti, event);
  }

  take(jti: string): boolean {
    return this.#pending.delete(jti);
  }

  /** Drops the events of all changes until now. */
  skip(): void {
    for (const [jti, { revision }] of this.#pending) if (revision !== null) this.#pending.delete(jti);
    this.#looked = this.#feed.revision;
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOn().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookOn(): Promise<void> {
    while (this.#pending.size < this.#max && this.#looked < this.#feed.revision) {
      const from = this.#looked;
      const changes = await this.#feed.read(from, PAGE);
      // Skipped meanwhile.
      if (this.#looked !== from) continue;
      // The store may be ahead of what is known for a moment.
      const known = changes.filter(({ revision }) => revision <= this.#feed.revision);
      if (known.length === 0) return;
      for (const change of known) {
        for (const event of this.#eventsOf(change)) this.#pending.set(event.jti, event);
        this.#looked = change.revision;
        if (this.#pending.size >= this.#max) return;
      }
    }
  }
}
