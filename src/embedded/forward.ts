/** Asks the service what only it can decide. The answer is as one over the network: it is checked, and taken once. */
import { AskedAction } from "../client/action.js";
import { readAnswer } from "../client/answer.js";
import { Undecided } from "../client/errors.js";
import { Questions } from "../client/questions.js";
import type { Outside } from "../client/outside.js";
import type { Carrier, ClientExchange, TransportAnswer } from "../client/transport.js";
import type { Answer, DecideRequest } from "../contract/index.js";

const SEEN_MAX = 8192;
const LIMITS = { requests_max: 8, queue_max: 10_000, batch_actions_max: 100 };

export class Forwarder {
  readonly #carrier: Pick<Carrier, "send">;
  readonly #questions: Questions;
  readonly #outside: Outside;
  readonly #deadline_ms: number;
  /** Facts revision that another node has to have reached; 0: nothing is known of it. */
  readonly #atLeast: () => number;
  readonly #seen = new Set<string>();

  constructor(carrier: Pick<Carrier, "send">, outside: Outside, deadlineMs: number, atLeast: () => number) {
    this.#carrier = carrier;
    this.#atLeast = atLeast;
    this.#questions = new Questions(LIMITS, carrier, outside);
    this.#outside = outside;
    this.#deadline_ms = deadlineMs;
  }

  /** @throws Undecided */
  async ask(asked: DecideRequest): Promise<Answer> {
    const { request_id, time, at_least: wanted, ...action } = asked;
    // A node that is behind what is known here would decide on less than this engine.
    const known = Math.max(wanted ?? 0, this.#atLeast());
    const at_least = known === 0 ? wanted : known;
    const id = request_id ?? this.#outside.uuid();
    const { digest } = new AskedAction(action, this.#outside.sha256);
    const text = JSON.stringify({ ...action, time, at_least, request_id: id });
    const { value } = await this.#questions.ask(text, this.#deadline_ms);
    const answer = readAnswer(value);
    if (answer.request_id !== id) throw new Undecided("answer_foreign");
    if (answer.action_digest !== (await digest)) throw new Undecided("answer_other_action");
    if (this.#seen.has(answer.decision_id)) throw new Undecided("answer_replayed");
    this.#remember(answer.decision_id);
    if (request_id === undefined) delete answer.request_id;
    return answer;
  }

  /** Returns true if a recent answer with this id is the service's. */
  gave(decisionId: string): boolean {
    return this.#seen.has(decisionId);
  }

  /** Passes on what became of an action that the service has decided. @throws Undecided */
  tell(outcome: ClientExchange): Promise<TransportAnswer> {
    return this.#carrier.send(outcome);
  }

  close(): void {
    this.#questions.close();
  }

  #remember(id: string): void {
    this.#seen.add(id);
    if (this.#seen.size <= SEEN_MAX) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
