/** From a request to questions: bytes, caller, action, proofs. Everything that a decision may have to wait for is waited for here. */
import { Problem } from "../contract/index.js";
import type { Pdp } from "./pdp.js";
import type { ActivePolicy, AgentProof, Caller, TaskProof } from "./ports.js";
import { readAction, type ReadAction } from "./read.js";
import { checkSize } from "./read_batch.js";
import { scan } from "./scan.js";
import type { Asker } from "./situation.js";
import { vocabularyReader, type VocabularyReader } from "./values.js";
import type { Question } from "./question.js";

/** A body that was parsed, and its caller. */
export interface AuthenticatedBody {
  /** JSON that every parser reads alike. */
  asked: unknown;
  caller: Caller;
}

/** When a request arrived: milliseconds since the epoch, and on the monotonic clock. */
export interface Arrival {
  asked_ms: number;
  began: number;
}

export class Intake {
  readonly #pdp: Pdp;
  /** One reader a vocabulary: making one costs more than a decision. */
  readonly #readers = new WeakMap<ActivePolicy, VocabularyReader>();
  readonly taskProof: (token: string) => TaskProof;

  constructor(pdp: Pdp) {
    this.#pdp = pdp;
    this.taskProof = (token) => pdp.identity.taskProof(token);
  }

  arrival(): Arrival {
    const { clock } = this.#pdp.system;
    return { asked_ms: clock.wall(), began: clock.monotonic() };
  }

  /**
   * Scans the bytes before the token is looked at, and parses them after: a stranger's body costs one scan.
   * @throws Problem 400, 413; `token_*`, `scope_missing`
   */
  async authenticatedBody(body: Buffer, authorization: string | undefined): Promise<AuthenticatedBody> {
    const text = scan(body, this.#pdp.limits);
    const proven = this.#pdp.identity.authenticate(authorization, "remit:decide");
    const caller = proven instanceof Promise ? await proven : proven;
    return { asked: JSON.parse(text) as unknown, caller };
  }

  /** @throws Problem (503) `bundle_missing`, `bundle_expired`; `log_unavailable` while records can't be masked or learned from */
  activePolicy(): ActivePolicy {
    const { engine, masks, profile, system } = this.#pdp;
    const { active } = engine;
    const now_ms = system.clock.wall();
    if (active === null) throw new Problem("bundle_missing");
    if (expired(active, now_ms)) throw new Problem("bundle_expired");
    if (active.vocabulary.masks !== undefined && masks?.isReady(now_ms) !== true) throw new Problem("log_unavailable");
    if (!profile.ready) throw new Problem("log_unavailable");
    return active;
  }

  vocabularyOf(policy: ActivePolicy): VocabularyReader {
    let reader = this.#readers.get(policy);
    if (reader === undefined) this.#readers.set(policy, (reader = vocabularyReader(policy.vocabulary)));
    return reader;
  }

  /**
   * @param adapter that made the action: it may be one of several of a body
   * @throws Problem (400) naming field and expectation; `body_too_large`
   */
  read(asked: unknown, policy: ActivePolicy, adapter: string | null = null): ReadAction {
    if (adapter !== null) checkSize(asked, this.#pdp.limits.body_bytes_max);
    const action = readAction(asked, this.vocabularyOf(policy), this.taskProof);
    action.adapter = adapter;
    return action;
  }

  /** Resolves at once for most actions. @throws Problem `facts_behind`, `token_*` */
  question(
    action: ReadAction,
    caller: Caller,
    policy: ActivePolicy,
    arrival: Arrival,
    proof: AgentProof | null = null,
  ): Question | Promise<Question> {
    const asker = this.askerOf(action, caller);
    return asker instanceof Promise
      ? asker.then((known) => this.#question(action, withProof(known, proof), policy, arrival))
      : this.#question(action, withProof(asker, proof), policy, arrival);
  }

  /** Waits for the agent's proof, and for facts as new as the caller has seen. @throws Problem `facts_behind`, `token_*` */
  askerOf(action: ReadAction, caller: Caller): Asker | Promise<Asker> {
    const isKnown = action.agent_token === null && action.at_least <= this.#pdp.facts.revision;
    return isKnown ? { caller, agent_proof: null } : this.#awaitedAsker(action, caller);
  }

  async #awaitedAsker(action: ReadAction, caller: Caller): Promise<Asker> {
    const { facts, identity } = this.#pdp;
    if (facts.revision < action.at_least && !(await facts.reached(action.at_least))) {
      throw new Problem("facts_behind", { field: "/at_least" });
    }
    const agent_proof = action.agent_token === null ? null : await identity.agentProof(action.agent_token);
    return { caller, agent_proof };
  }

  #question(action: ReadAction, asker: Asker, active: ActivePolicy, { asked_ms, began }: Arrival): Question {
    const read_ms = this.#pdp.system.clock.monotonic() - began;
    const policy = this.#pdp.stage?.policyFor(action.request.agent, active) ?? active;
    return { action, asker, policy, vocabulary: this.vocabularyOf(policy), kind: "decision", happened: null, asked_ms, read_ms };
  }
}

function withProof(asker: Asker, proof: AgentProof | null): Asker {
  return proof === null || asker.agent_proof !== null ? asker : { caller: asker.caller, agent_proof: proof };
}

/** Returns whether a policy may not decide any more: whoever withholds its successor must not keep it in force. */
export function expired({ expires_ms }: ActivePolicy, nowMs: number): boolean {
  return expires_ms !== null && nowMs >= expires_ms;
}
