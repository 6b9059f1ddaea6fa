/**
 * Who speaks to the service, each with a token of its own: the host that hands out work, enforcement points that ask before
 * an agent acts, and security, which can cut one off.
 */
import { outcomeOf, type CaseOutcome } from "../src/authoring/run.js";
import type {
  AgentAnswer,
  Answer,
  CreateAgent,
  CreateGrant,
  DecideRequest,
  GrantAnswer,
  InForce,
  IssueTask,
  RevocationTarget,
  TaskCreated,
} from "../src/contract/index.js";
import { systemClock } from "../src/system/index.js";

/** What is done to what, in the words of the vocabulary. */
export type Action = Pick<DecideRequest, "verb" | "resource" | "related" | "arguments">;

/** A task as it is handed along the call chain: by its signed token, and with the facts revision that knows it. */
export interface Work {
  task: string;
  task_token: string;
  at_least: number;
}

/** An agent as it shows itself to an enforcement point. */
export interface Actor {
  agent: string;
  purpose: string;
  /** Left out: it proves nothing. */
  agent_token?: string;
}

export interface Refused {
  code: string;
}

/** Whoever has a token. */
export class Party {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** @param revision on which a change is based */
  async send(method: string, path: string, body?: object, revision?: number): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        "content-type": "application/json",
        ...(revision === undefined ? {} : { "if-match": `"${revision}"` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  /** @throws Error where it is refused */
  async done<T>(method: string, path: string, body?: object, revision?: number): Promise<T> {
    const { status, body: answered } = await this.send(method, path, body, revision);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answered)}`);
    return answered as T;
  }

  /** The code of the problem that it is refused with; null where it isn't. */
  async refusal(method: string, path: string, body: object): Promise<string | null> {
    const { status, body: answered } = await this.send(method, path, body);
    return status >= 300 ? (answered as Refused).code : null;
  }
}

/** The host: registers agents, and gives them their work (`remit:register`). */
export class Registrar extends Party {
  register(agent: CreateAgent): Promise<AgentAnswer> {
    return this.done("POST", "/agents", agent);
  }

  async issue(task: IssueTask): Promise<Work> {
    const { task_token = "", facts_revision } = await this.done<TaskCreated>("POST", "/tasks?token=true", task);
    return { task: task.id, task_token, at_least: facts_revision };
  }

  /** What has turned out to be part of the work. */
  async add(work: Work, subjects: Record<string, string[]>): Promise<Work> {
    const { facts_revision } = await this.done<{ facts_revision: number }>("PATCH", taskPath(work), { subjects });
    return { ...work, at_least: facts_revision };
  }

  async end(work: Work, reason: string): Promise<void> {
    await this.done("PATCH", taskPath(work), { ended: true, reason });
  }

  grant(grant: CreateGrant): Promise<GrantAnswer> {
    return this.done("POST", "/grants", grant);
  }
}

/** Security: cuts off at once what goes wrong, and undoes that (`remit:revoke`). */
export class Security extends Party {
  revoke(scope: RevocationTarget, reason: string): Promise<InForce> {
    return this.done("POST", "/revocations", { scope, reason });
  }

  async restore(agent: string, reason: string): Promise<void> {
    await this.done("POST", `/revocations/agent/${encodeURIComponent(agent)}/lift`, { reason });
  }
}

/** What came of asking. */
export interface Verdict {
  /** An answer came, it says to go on, and it still holds. */
  mayAct: boolean;
  /** Null where the service answered with a problem, which an enforcement point takes as a deny. */
  answer: Answer | null;
  outcome: CaseOutcome;
}

/** An enforcement point: asks before each action of an agent (`remit:decide`). */
export class Gateway extends Party {
  /** Decisions asked for. */
  asked = 0;

  async decide(actor: Actor, work: Work | null, action: Action): Promise<Verdict> {
    this.asked += 1;
    const sent = systemClock.monotonic();
    const { status, body } = await this.send("POST", "/decide", request(actor, work, action));
    if (status !== 200) return refused(body);
    return verdictOf(body as Answer, systemClock.monotonic() - sent);
  }

  /** In order; a verdict for each action. */
  async decideBatch(actor: Actor, work: Work, actions: readonly Action[]): Promise<Verdict[]> {
    this.asked += actions.length;
    const sent = systemClock.monotonic();
    const asked = { actions: actions.map((action) => request(actor, work, action)) };
    const { status, body } = await this.send("POST", "/decide/batch", asked);
    if (status !== 200) return actions.map(() => refused(body));
    const tookMs = systemClock.monotonic() - sent;
    return (body as { answers: Answer[] }).answers.map((answer) => verdictOf(answer, tookMs));
  }
}

function request(actor: Actor, work: Work | null, action: Action): DecideRequest {
  if (work === null) return { ...actor, ...action };
  return { ...actor, task_token: work.task_token, at_least: work.at_least, ...action };
}

function verdictOf(answer: Answer, tookMs: number): Verdict {
  return { mayAct: answer.proceed && tookMs < answer.valid_for_ms, answer, outcome: outcomeOf(answer) };
}

function refused(problem: unknown): Verdict {
  return { mayAct: false, answer: null, outcome: { then: "deny", because: [(problem as Refused).code] } };
}

function taskPath({ task }: Work): string {
  return `/tasks/${encodeURIComponent(task)}`;
}
