/**
 * Searches (section 8): what is known is gone through in order, and each candidate is asked about as a decision would be, by the same
 * floor, policy and conclusion. Nothing is decided by it: no decision is on record, nothing is learned and no use of a grant taken. That
 * somebody searched is on record.
 */
import { hash } from "node:crypto";
import { Problem, canonical, type Obligation } from "../../contract/index.js";
import type { ActivePolicy, Caller, Task } from "../../decision/ports.js";
import { readAction } from "../../decision/read.js";
import type { VocabularyReader } from "../../decision/values.js";
import { isPermitted, obligationsText } from "./answer.js";
import type { Entities } from "./entities.js";
import type { Mapping } from "./mapping.js";
import type { AuthzenQuestion, Search } from "./read.js";
import type { Decider } from "../../decision/decider.js";

/** Facts that a search needs about agents and tasks. */
export interface KnownFacts {
  /** Ids of registered agents in the order of their UTF-16 units, from the first after `after` on. */
  agentsAfter: (after: string) => Iterable<string>;
  task: (id: string) => Pick<Task, "subjects"> | undefined;
}

export interface SearchLimits {
  page_results_max: number;
  page_evaluations_max: number;
}

export interface Searching {
  decider: Pick<Decider, "intake" | "attempt">;
  mapping: Mapping;
  entities: Entities;
  facts: KnownFacts;
  meets: ReadonlySet<string>;
  limits: SearchLimits;
}

/** Candidates that the policy is asked about in one go. */
const TOGETHER = 64;

/** @returns JSON, and how many were asked about @throws Problem */
export async function search(asked: Search, caller: Caller, searching: Searching): Promise<{ text: string; looked_at: number }> {
  const { decider, limits } = searching;
  const { intake } = decider;
  const policy = intake.activePolicy();
  const vocabulary = intake.vocabularyOf(policy);
  const from = asked.page.token === null ? { after: "", limit: asked.page.limit } : readToken(asked, caller);
  const max = Math.min(from.limit ?? Infinity, limits.page_results_max);
  const results: string[] = [];
  let [looked, last] = [0, from.after];
  const refused: Problem[] = [];
  while (results.length < max && looked < limits.page_evaluations_max) {
    // Looked up anew each time: while the policy was asked, what is known may have moved.
    const some = first(candidatesOf(asked, last, vocabulary, searching), Math.min(TOGETHER, limits.page_evaluations_max - looked));
    if (some.length === 0) break;
    const judged = await judge(some, asked, caller, policy, vocabulary, searching);
    for (const [i, candidate] of some.entries()) {
      if (results.length === max) break;
      const found = judged[i] ?? null;
      last = candidate;
      looked++;
      if (found instanceof Problem) refused.push(found);
      else if (found !== null) results.push(resultText(asked, candidate, found));
    }
  }
  // Where none could even be asked about, it is the request that doesn't say enough, or what is known of it.
  if (asked.page.token === null && refused.length === looked) {
    const why = refused.find((problem) => !isOfCandidate(problem, asked));
    if (why !== undefined) throw why;
  }
  const isOver = first(candidatesOf(asked, last, vocabulary, searching), 1).length === 0;
  const next = isOver ? "" : writeToken(asked, caller, last, from.limit);
  const text = `{"page":{"next_token":${JSON.stringify(next)},"count":${results.length}},"results":[${results.join(",")}]}`;
  return { text, looked_at: looked };
}

/** Returns true if a problem is about one candidate, which then isn't a result; the others aren't affected. */
function isOfCandidate({ detail: { field = "" } }: Problem, { searched }: Search): boolean {
  return field.startsWith(`/${searched}/`);
}

/** Obligations profile: each result has its own. */
function resultText({ searched, subject, resource }: Search, id: string, owed: readonly Obligation[]): string {
  const obligations = owed.length === 0 ? "" : `,"obligations":${obligationsText(owed)}`;
  if (searched === "action") return `{"name":${JSON.stringify(id)}${obligations}}`;
  const { type } = searched === "subject" ? subject : resource;
  return `{"type":${JSON.stringify(type)},"id":${JSON.stringify(id)}${obligations}}`;
}

/** Each once, in the order of their UTF-16 units. */
function candidatesOf(asked: Search, after: string, vocabulary: VocabularyReader, searching: Searching): Iterable<string> {
  const { mapping, entities, facts } = searching;
  const { type } = asked.searched === "subject" ? asked.subject : asked.resource;
  switch (asked.searched) {
    case "action":
      return mapping.actionNames(vocabulary).filter((name) => name > after);
    case "subject": {
      const mapped = mapping.subjects.of(type);
      if (mapped === undefined) return [];
      return merged(entities.after(type, after), mapped.isAgent ? agentsOf(mapped.prefix, after, facts) : []);
    }
    case "resource":
      return merged(
        entities.after(type, after),
        taskResources(asked, type, vocabulary, searching).filter((id) => id > after),
      );
  }
}

function* agentsOf(prefix: string, after: string, facts: KnownFacts): Generator<string> {
  for (const id of facts.agentsAfter(prefix + after)) {
    if (id.startsWith(prefix)) yield id.slice(prefix.length);
    else if (id > prefix) return;
  }
}

/** Returns the subjects of the request's task that are resources of a type, if such a resource is a subject by its id. */
function taskResources(asked: Search, type: string, vocabulary: VocabularyReader, searching: Searching): string[] {
  const { mapping, facts, decider } = searching;
  const token = mapping.taskTokenOf(asked);
  const named = mapping.taskOf(asked) ?? (token === null ? null : decider.intake.taskProof(token).task);
  const subjects = named === null ? undefined : facts.task(named)?.subjects;
  const about = vocabulary.types.get(mapping.typeOf(type))?.spec.about ?? {};
  if (subjects === undefined) return [];
  const ids = Object.keys(about).flatMap((subject) =>
    about[subject] === "id" && Object.hasOwn(subjects, subject) ? (subjects[subject] ?? []) : [],
  );
  return [...new Set(ids)].sort();
}

function* merged(a: Iterable<string>, b: Iterable<string>): Generator<string> {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()];
  let [one, other] = [left.next(), right.next()];
  while (one.done !== true || other.done !== true) {
    if (other.done === true || (one.done !== true && one.value <= other.value)) {
      if (one.done === true) return;
      if (other.done !== true && other.value === one.value) other = right.next();
      yield one.value;
      one = left.next();
    } else {
      yield other.value;
      other = right.next();
    }
  }
}

function first(from: Iterable<string>, max: number): string[] {
  const taken: string[] = [];
  for (const one of from) {
    taken.push(one);
    if (taken.length === max) break;
  }
  return taken;
}

/** Returns for each candidate the obligations of its permission; null if it isn't permitted; or why it couldn't be asked about. */
function judge(
  candidates: readonly string[],
  asked: Search,
  caller: Caller,
  policy: ActivePolicy,
  vocabulary: VocabularyReader,
  { mapping, decider: { intake, attempt }, meets }: Searching,
): Promise<(readonly Obligation[] | Problem | null)[]> {
  const arrival = intake.arrival();
  return Promise.all(
    candidates.map(async (candidate) => {
      const question = questionOf(asked, candidate);
      try {
        const action = readAction(mapping.action(question, vocabulary, null), vocabulary, intake.taskProof);
        const { conclusion } = attempt(await intake.question(action, caller, policy, arrival));
        return isPermitted(conclusion, { meets }) ? conclusion.obligations : null;
      } catch (cause) {
        if (cause instanceof Problem && cause.status < 500) return mapping.told(cause, question, vocabulary);
        throw cause;
      }
    }),
  );
}

function questionOf({ searched, subject, action, resource, context }: Search, candidate: string): AuthzenQuestion {
  return {
    subject: searched === "subject" ? { type: subject.type, id: candidate } : subject,
    action: searched === "action" ? { name: candidate } : action,
    resource: searched === "resource" ? { type: resource.type, id: candidate } : resource,
    context,
  };
}

/** Returns a page token with the page's end, sealed for its caller and search: it continues that one alone. */
function writeToken(asked: Search, caller: Caller, after: string, limit: number | null): string {
  const at = Buffer.from(JSON.stringify([after, limit])).toString("base64url");
  return `${at}.${sealOf(asked, caller, at)}`;
}

/** @throws Problem `field_invalid` */
function readToken(asked: Search, caller: Caller): { after: string; limit: number | null } {
  const { token, limit } = asked.page;
  const [at = "", seal, ...more] = (token ?? "").split(".");
  if (seal === undefined || more.length > 0 || seal !== sealOf(asked, caller, at)) throw noToken();
  const { after, limit: first } = placeIn(at);
  if (limit !== null && limit !== first)
    throw new Problem("field_invalid", { field: "/page/limit", expected: "the limit that the search began with" });
  return { after, limit: first };
}

/** Whoever knows how a seal is made can make one: what stands behind it is read as what anybody wrote. */
function placeIn(at: string): { after: string; limit: number | null } {
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(at, "base64url").toString());
  } catch {
    throw noToken();
  }
  const [after, limit = null, ...more] = Array.isArray(place) ? (place as unknown[]) : [];
  if (typeof after !== "string" || more.length > 0) throw noToken();
  if (limit === null) return { after, limit };
  if (typeof limit !== "number" || !Number.isSafeInteger(limit) || limit < 0) throw noToken();
  return { after, limit };
}

function noToken(): Problem {
  return new Problem("field_invalid", { field: "/page/token", expected: "`next_token` of this search's last page" });
}

function sealOf({ searched, subject, action, resource, context }: Search, { id }: Caller, at: string): string {
  return hash("sha256", canonical([at, id, searched, subject, action, resource, context]), "base64url");
}
