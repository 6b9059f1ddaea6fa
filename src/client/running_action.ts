/**
 * Watches over one action while it runs. A change that cuts it off stops it at once; any other that may concern it has it asked about
 * again. While no changes are heard it is asked about again whenever its last answer is no longer valid.
 */
import { canonical, type Answer, type ChangeEvent } from "../contract/index.js";
import { cutsOff, narrows, type WorkEvent, type ChangeReceiver, type AffectedWork } from "./change_receiver.js";
import type { ActionOnHold } from "./action_on_hold.js";
import type { Outside } from "./outside.js";

interface RunningDeps {
  follower: ChangeReceiver;
  outside: Outside;
  /** Asks about the same action. @throws Undecided */
  ask: (atLeast: number | null) => Promise<ActionOnHold>;
  /** Stops the action: what permitted it no longer holds. */
  stop: () => void;
}

export class Running {
  readonly #deps: RunningDeps;
  readonly #work: AffectedWork;
  readonly #obligations: string;
  readonly #unlisten: () => void;
  #held: ActionOnHold;
  #cancel = (): void => undefined;
  #over = false;
  #asking = false;
  /** It was to be asked again while it was being asked; as of which revision. */
  #again: { atLeast: number | null } | null = null;

  constructor(held: ActionOnHold, deps: RunningDeps) {
    this.#deps = deps;
    this.#held = held;
    this.#work = held.work;
    this.#obligations = obligationsOf(held.answer);
    this.#unlisten = deps.follower.listen((happened) => {
      this.#heard(happened);
    });
    this.#lookAgain();
  }

  end(): void {
    this.#over = true;
    this.#cancel();
    this.#unlisten();
  }

  #heard(happened: WorkEvent): void {
    if (happened.what === "change") this.#changed(happened.change);
    else if (happened.what === "anew") void this.#ask(null);
    else this.#lookAgain();
  }

  #changed(change: ChangeEvent): void {
    if (!narrows(change, this.#work, this.#held.answer.facts_revision)) return;
    if (cutsOff(change, this.#work)) this.#stop();
    else void this.#ask(change.revision);
  }

  /** Once nothing vouches for it any more, unless changes are heard by then, all since its answer. */
  #lookAgain(): void {
    this.#cancel();
    const { follower, outside } = this.#deps;
    if (this.#over || follower.covers(this.#held.answer.facts_revision)) return;
    this.#cancel = outside.after(Math.max(0, this.#held.until_ms - outside.monotonic()), () => {
      void this.#ask(null);
    });
  }

  async #ask(atLeast: number | null): Promise<void> {
    if (this.#over) return;
    if (this.#asking) {
      this.#again = { atLeast: Math.max(atLeast ?? 0, this.#again?.atLeast ?? 0) || null };
      return;
    }
    this.#asking = true;
    try {
      const held = await this.#deps.ask(atLeast);
      const fault = held.faultNow(true);
      const goesOn = (fault === null || fault === "answer_dropped") && obligationsOf(held.answer) === this.#obligations;
      if (!goesOn) this.#stop();
      // Something else has come since: what is asked then says more than this answer.
      else if (fault === null) this.#held = held;
      else this.#again ??= { atLeast: null };
    } catch {
      // Nobody says that it may go on.
      this.#stop();
    } finally {
      this.#asking = false;
    }
    const again = this.#again;
    this.#again = null;
    if (again !== null) await this.#ask(again.atLeast);
    else this.#lookAgain();
  }

  #stop(): void {
    if (this.#over) return;
    this.end();
    this.#deps.stop();
  }
}

/** Returns the obligations that the action began under, as text; if a later answer asks for more, the action would have to start over. */
function obligationsOf({ obligations }: Answer): string {
  return canonical(obligations);
}
