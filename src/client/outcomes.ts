/** Tells the service what became of each permitted action, in the background: nobody waits for it, and what can't be told is counted. */
import type { ReportOutcome } from "../contract/index.js";
import { pause } from "./deadline.js";
import { Undecided } from "./errors.js";
import type { Outside } from "./outside.js";
import type { Carrier } from "./transport.js";

const AT_ONCE = 4;
const TRIES_MAX = 5;
const TRY_MS = 5000;
const RETRY_MS = 200;
const ANSWER_BYTES_MAX = 64 * 1024;

interface Report {
  path: string;
  body: string;
  /** Called when the outcome was reported, or is lost. */
  over: () => void;
}

export class OutcomeReporter {
  /** Outcomes that were not reported: the queue was full, or the service did not accept them. */
  lost = 0;
  readonly #transport: Pick<Carrier, "send">;
  readonly #outside: Outside;
  readonly #queue_max: number;
  #queue: Report[] = [];
  #sending = 0;
  #planned = false;
  #closing = false;
  #idle: (() => void)[] = [];

  constructor(transport: Pick<Carrier, "send">, outside: Outside, queueMax: number) {
    this.#transport = transport;
    this.#outside = outside;
    this.#queue_max = queueMax;
  }

  /** Resolves when the outcome was reported, or is lost; never rejects. */
  report(decisionId: string, said: ReportOutcome): Promise<void> {
    if (this.#queue.length >= this.#queue_max) {
      this.lost++;
      return Promise.resolve();
    }
    return new Promise((over) => {
      this.#queue.push({ path: `decisions/${decisionId}/outcome`, body: JSON.stringify(said), over });
      this.#plan();
    });
  }

  /** Resolves when all is told or lost. Nothing is tried again from here on. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#pump();
    if (this.#sending === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Plans to send in a later turn, so that the caller has the action's result first. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#outside.after(0, () => {
      this.#planned = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#sending < AT_ONCE) {
      const report = this.#queue.shift();
      if (report === undefined) break;
      this.#sending++;
      void this.#send(report).finally(() => {
        report.over();
        this.#sending--;
        this.#pump();
      });
    }
    if (this.#sending === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The same said twice is recorded once, so what may have arrived can be sent again. */
  async #send({ path, body }: Report): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#transport.send({ path, body, ms: TRY_MS, answer_bytes_max: ANSWER_BYTES_MAX });
        return;
      } catch (error) {
        const status = error instanceof Undecided ? (error.problem?.status ?? 503) : 0;
        if (status < 500 || tries === TRIES_MAX || this.#closing) {
          this.lost++;
          return;
        }
        await pause(this.#outside, RETRY_MS * 2 ** tries);
      }
    }
  }
}
