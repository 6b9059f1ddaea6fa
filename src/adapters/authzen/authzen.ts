/**
 * OpenID AuthZEN Authorization API 1.0: its questions, put to the one decision in the words of the vocabulary, and its answers. It
 * decides nothing by itself.
 */
import { hash } from "node:crypto";
import { Problem } from "../../contract/index.js";
import type { Caller } from "../../decision/ports.js";
import { readAction } from "../../decision/read.js";
import { AccessRequests, approvalSays, readDenial, type Approvals, type TaskAnswer } from "./access_request.js";
import { decisionText, isPermitted, itemErrorText, OBLIGATION_TYPES } from "./answer.js";
import type { Entities } from "./entities.js";
import { mappingOf, type AuthzenConfig } from "./mapping.js";
import { readQuestion, readSearch, readSeveral, type AuthzenQuestion, type SearchKind, type Several } from "./read.js";
import { search, type KnownFacts } from "./search.js";
import type { Decided, Decider } from "../../decision/decider.js";

export const ADAPTER = "authzen";

export interface AuthzenDeps {
  config: AuthzenConfig;
  entities: Entities;
  decider: Pick<Decider, "intake" | "attempt" | "decideAction" | "decideActions">;
  facts: KnownFacts;
  approvals: Approvals;
  limits: { batch_actions_max: number };
}

/** An HTTP request, as far as it matters here. */
export interface AuthzenRequest {
  body: Buffer;
  authorization: string | undefined;
  request_id: string | null;
}

export interface AuthzenAnswer {
  /** JSON */
  text: string;
  decided: readonly Decided[];
  /** Search that the answer is of: its caller, what was searched for, and the number of candidates that were decided. */
  searched?: { caller: string; of: SearchKind; looked_at: number };
}

export const ENDPOINTS = {
  evaluation: "/access/v1/evaluation",
  evaluations: "/access/v1/evaluations",
  subject: "/access/v1/search/subject",
  resource: "/access/v1/search/resource",
  action: "/access/v1/search/action",
  request: "/access/v1/request",
} as const;

/** Every method throws a Problem where nothing was decided. */
export interface Authzen {
  /** Prefix of each endpoint's path: `/tenant1` for `https://pdp.example.com/tenant1`. */
  readonly base: string;
  /** Section 9. */
  readonly metadata: object;
  evaluation(asked: AuthzenRequest): Promise<AuthzenAnswer>;
  evaluations(asked: AuthzenRequest): Promise<AuthzenAnswer>;
  search(searched: SearchKind, asked: AuthzenRequest): Promise<AuthzenAnswer>;
  /** Asks a person about what waits. @param key `Idempotency-Key` @throws AccessRequestError */
  requestAccess(asked: AuthzenRequest, key: string | null): Promise<TaskAnswer>;
  /** @throws AccessRequestError */
  accessTask(id: string, caller: Caller): Promise<TaskAnswer>;
}

export function authzenOf({ config, entities, decider, facts, approvals, limits }: AuthzenDeps): Authzen {
  const { identifier } = config;
  const mapping = mappingOf(config, entities);
  const { intake } = decider;
  const requestAt = identifier + ENDPOINTS.request;
  const requests = new AccessRequests(approvals, requestAt);
  const told = { requestAt, meets: new Set<string>(config.meets) };

  /** The mapping sees the vocabulary of the policy that will decide: nothing is waited for in between. */
  function actionOf(question: AuthzenQuestion, requestId: string | null): unknown {
    return mapping.action(question, intake.vocabularyOf(intake.activePolicy()), requestId);
  }

  async function one(question: AuthzenQuestion, { request_id }: AuthzenRequest, caller: Caller): Promise<AuthzenAnswer> {
    try {
      const decided = await decider.decideAction(actionOf(question, request_id), caller, ADAPTER);
      return { text: answerText(decided, question), decided: [decided] };
    } catch (cause) {
      throw cause instanceof Problem ? inTheirWords(cause, question) : cause;
    }
  }

  /** The vocabulary may be another by now: it is only asked where a place of a request was named. */
  function inTheirWords(problem: Problem, question: AuthzenQuestion): Problem {
    if (problem.detail.field === undefined) return problem;
    return mapping.told(problem, question, intake.vocabularyOf(intake.activePolicy()));
  }

  function answerText({ answer }: Decided, question: AuthzenQuestion): string {
    const { approval } = question.context;
    const { type } = question.subject;
    const unlisted = mapping.subjects.of(type) === undefined ? { reason_admin: UNLISTED } : {};
    if (approval === undefined || approval === null) return decisionText(answer, told, unlisted);
    return decisionText(answer, told, {
      ...approvalSays(answer, mapping.agentOf(question), approval, approvals),
      ...unlisted,
    });
  }

  async function several({ semantic, items }: Several, { request_id }: AuthzenRequest, caller: Caller): Promise<AuthzenAnswer> {
    const actions = items.map((item) => (item instanceof Problem ? item : attempt(() => actionOf(item, request_id))));
    const answers =
      semantic === "execute_all" ? await all(actions, caller) : await until(semantic === "permit_on_first_permit", actions, caller);
    const texts = answers.map((answer, i) =>
      answer instanceof Problem ? errorText(answer, items[i]) : answerText(answer, items[i] as AuthzenQuestion),
    );
    return { text: `{"evaluations":[${texts.join(",")}]}`, decided: answers.filter((answer) => isDecided(answer)) };
  }

  function errorText(problem: Problem, item: AuthzenQuestion | Problem | undefined): string {
    return itemErrorText(item === undefined || item instanceof Problem ? problem : inTheirWords(problem, item));
  }

  async function all(actions: readonly unknown[], caller: Caller): Promise<(Decided | Problem)[]> {
    const good = actions.filter((action) => !(action instanceof Problem));
    const decided = (await decider.decideActions(good, caller, ADAPTER)).values();
    return actions.map((action) => (action instanceof Problem ? action : (decided.next().value ?? UNDECIDED)));
  }

  /** One after the other, up to the first that answers so; what can't be asked about is as good as denied. */
  async function until(permitted: boolean, actions: readonly unknown[], caller: Caller): Promise<(Decided | Problem)[]> {
    const answers: (Decided | Problem)[] = [];
    for (const action of actions) {
      const [answer = UNDECIDED] = await all([action], caller);
      answers.push(answer);
      if ((!(answer instanceof Problem) && isPermitted(answer.answer, told)) === permitted) break;
    }
    return answers;
  }

  return {
    base: new URL(identifier).pathname.replace(/\/$/, ""),
    metadata: {
      policy_decision_point: identifier,
      access_evaluation_endpoint: identifier + ENDPOINTS.evaluation,
      access_evaluations_endpoint: identifier + ENDPOINTS.evaluations,
      search_subject_endpoint: identifier + ENDPOINTS.subject,
      search_resource_endpoint: identifier + ENDPOINTS.resource,
      search_action_endpoint: identifier + ENDPOINTS.action,
      access_request_endpoint: requestAt,
      capabilities: ["urn:openid:authzen:capability:access-request"],
      supported_obligations: OBLIGATION_TYPES,
    },
    async evaluation(asked) {
      const read = await intake.authenticatedBody(asked.body, asked.authorization);
      return one(readQuestion(read.asked), asked, read.caller);
    },
    async evaluations(asked) {
      const read = await intake.authenticatedBody(asked.body, asked.authorization);
      const asksSeveral = readSeveral(read.asked, limits.batch_actions_max);
      if (asksSeveral === null) return one(readQuestion(read.asked), asked, read.caller);
      return several(asksSeveral, asked, read.caller);
    },
    async search(searched, asked) {
      const read = await intake.authenticatedBody(asked.body, asked.authorization);
      const searching = { decider, mapping, entities, facts, meets: told.meets, limits: config };
      const found = await search(readSearch(searched, read.asked), read.caller, searching);
      return { text: found.text, decided: [], searched: { caller: read.caller.id, of: searched, looked_at: found.looked_at } };
    },
    async requestAccess(asked, key) {
      const { asked: body, caller } = await intake.authenticatedBody(asked.body, asked.authorization);
      const question = readQuestion(body);
      const denial = readDenial(body);
      const vocabulary = intake.vocabularyOf(intake.activePolicy());
      const { digest } = readAction(mapping.action(question, vocabulary, null), vocabulary, intake.taskProof);
      return requests.submit(denial, digest, caller, key === null ? null : { key, body: hash("sha256", asked.body) });
    },
    accessTask: (id, caller) => requests.status(id, caller),
  };
}

const UNLISTED = "nobody acts here as a subject of this type: `authzen.subjects` doesn't list it";

function isDecided(answer: Decided | Problem): answer is Decided {
  return !(answer instanceof Problem);
}

const UNDECIDED = new Problem("internal");

function attempt(act: () => unknown): unknown {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof Problem && cause.status < 500) return cause;
    throw cause;
  }
}
