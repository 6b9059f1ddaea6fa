/** Subscriptions of one session to resources: a change is passed on only if reading the resource is still permitted. */
import type { Timers } from "../../system/index.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import type { Notification } from "./wire.js";

export interface SubscriptionsDeps {
  /** Decides reading the resource once more. @throws CallRefusal */
  decide: (uri: string) => Promise<void>;
  /** Passes a change on to the client. */
  pass: (change: Notification) => void;
  /** Called when a subscription ended, since reading the resource is no longer permitted. */
  ended: (uri: string, refusal: CallRefusal) => void;
  timers: Timers;
}

interface Subscription {
  /** A change is being decided, or was a moment ago. */
  busy: boolean;
  /** The latest change since: one stands for all. */
  waiting: Notification | null;
}

const SUBSCRIPTIONS_MAX = 1000;
/** Milliseconds between two decisions on one resource, however often its server reports a change. */
const PAUSE_MS = 1000;

export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #all = new Map<string, Subscription>();

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  add(uri: string): void {
    if (this.#all.size < SUBSCRIPTIONS_MAX && !this.#all.has(uri)) this.#all.set(uri, { busy: false, waiting: null });
  }

  delete(uri: string): void {
    this.#all.delete(uri);
  }

  clear(): void {
    this.#all.clear();
  }

  /** Takes in a change that the server reports. */
  changed(uri: string, change: Notification): void {
    const subscription = this.#all.get(uri);
    if (subscription === undefined) return;
    if (subscription.busy) subscription.waiting = change;
    else void this.#decide(uri, subscription, change);
  }

  async #decide(uri: string, subscription: Subscription, change: Notification): Promise<void> {
    const { decide, pass, ended, timers } = this.#deps;
    const isOver = (): boolean => this.#all.get(uri) !== subscription;
    subscription.busy = true;
    try {
      await decide(uri);
      if (!isOver()) pass(change);
    } catch (cause) {
      const refusal = cause instanceof CallRefusal ? cause : new CallRefusal("not_decided", { cause });
      if (isOver()) return;
      // Where nobody could be asked, the change waits for somebody who can be.
      if (refusal.code === "not_decided") subscription.waiting ??= change;
      else {
        this.#all.delete(uri);
        ended(uri, refusal);
      }
    }
    timers.after(PAUSE_MS, () => {
      const next = subscription.waiting;
      subscription.busy = false;
      subscription.waiting = null;
      if (next !== null && !isOver()) void this.#decide(uri, subscription, next);
    });
  }
}
