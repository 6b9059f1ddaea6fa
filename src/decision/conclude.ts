/**
 * From what the policy answered to what is said: its shape and its logic are checked again here, so that `proceed: true`
 * needs both the bundle and this file to agree; then messages are rendered and put in order.
 */
import {
  BUILTIN_REASONS,
  FLAG_TOLD,
  PolicyResult,
  SEVERITIES,
  canonical,
  clip,
  type BuiltinReason,
  type CatalogueEntry,
  type Effect,
  type FoundWriter,
  type FloorCode,
  type Obligation,
  type PolicyReason,
  type Reason,
} from "../contract/index.js";
import type { ActivePolicy, Caller, Evaluation, GrantState } from "./ports.js";
import type { ReadAction } from "./read.js";
import type { Situation } from "./situation.js";
import { taskSubjects } from "./gather.js";
import type { VocabularyReader } from "./values.js";
import { schemas } from "../system/schemas.js";
import type { Conclusion } from "./question.js";

/** Values that messages may name. Of facts they show what the policy saw, which is what the record has. */
export interface Scene {
  action: Pick<ReadAction, "request">;
  caller: Pick<Caller, "id">;
  situation: Situation;
  vocabulary: VocabularyReader;
}

/** The policy's result for one task of the chain. */
export interface LevelResult {
  evaluation: Evaluation;
  scene: Scene;
  grants: readonly GrantFound[];
}

/** A grant that was looked at, live or not. */
export interface GrantFound {
  state: GrantState;
  input: { id: string };
}

/** A reason with what explains it. */
interface Explained {
  reason: PolicyReason;
  entry: CatalogueEntry | BuiltinReason;
}

/** A reason, of the task whose it is. */
interface Placed extends Explained {
  scene: Scene;
}

/** Result of reasons and obligations, for whatever action they are. */
interface Verdict {
  decision: Conclusion["decision"];
  proceed: boolean;
  /** The weightiest first. */
  reasons: readonly Explained[];
  obligations: readonly Obligation[];
  tell_agent: string | null;
}

const validResult = schemas().compile<PolicyResult>(PolicyResult);

/** @param own the task of the action itself; `scene` may be that of one up its chain */
export function concludeFloor(code: FloorCode, policy: ActivePolicy, scene: Scene, own: string | null): Conclusion {
  return deny(code, paramsOf(code, scene.situation), policy, scene, own);
}

function paramsOf(code: FloorCode, { claim_ms, narrowed, now_ms, time_skew_max_ms }: Situation): Record<string, unknown> {
  if (code === "time_skew") return { skew_ms: (claim_ms ?? now_ms) - now_ms, limit_ms: time_skew_max_ms };
  return code === "narrowed_rate" ? { limit: narrowed?.actions_per_minute } : {};
}

/** From what the policy said of the action's own task, and of each it was handed on from: the strictest holds. */
export function conclude(levels: readonly [LevelResult, ...LevelResult[]], policy: ActivePolicy): Conclusion {
  const own = levels[0].scene.situation.task_id;
  const placed: Placed[] = [];
  const obligations: Obligation[] = [];
  let proceed = true;
  for (const { evaluation, scene, grants } of levels) {
    if (!evaluation.ok) return deny(evaluation.code, {}, policy, scene, own);
    const verdict = verdictOf(evaluation.result, policy);
    if (verdict === null) return deny("result_invalid", {}, policy, scene, own);
    const { reasons } = verdict;
    const isRefused = grants.length > 0 && reasons.some(({ reason }) => reason.code === "not_permitted");
    const dead = isRefused ? grants.flatMap(whyNotGranted) : [];
    if (levels.length === 1 && dead.length === 0) {
      return said(
        verdict,
        reasons.map((one) => render(one, scene, own)),
        policy,
        scene,
        own,
      );
    }
    proceed &&= verdict.proceed;
    addNew(placed, reasons, scene);
    for (const obligation of verdict.obligations) if (!isIn(obligations, obligation)) obligations.push(obligation);
    addNew(
      placed,
      dead.map((reason) => explained(reason, policy)),
      scene,
    );
  }
  const { scene } = levels[0];
  if (contradict(obligations)) return deny("result_invalid", {}, policy, scene, own);
  const ordered = placed.sort(byWeight);
  const reasons = ordered.map((one) => render(one, one.scene, own));
  return said(weighed(ordered, obligations, proceed), reasons, policy, scene, own);
}

function said(
  { decision, proceed, reasons: explained, obligations, tell_agent }: Verdict,
  reasons: Reason[],
  policy: ActivePolicy,
  scene: Scene,
  own: string | null,
): Conclusion {
  if (saysTooMuch(reasons, obligations)) return deny("result_invalid", {}, policy, scene, own);
  const conclusion: Conclusion = {
    decision,
    proceed,
    reasons,
    obligations: decision === "deny" ? [] : inOrder(obligations),
    wait: decision === "flag" && !proceed ? waitFor(explained) : null,
  };
  if (tell_agent !== null) conclusion.tell_agent = tell_agent;
  return conclusion;
}

// An engine that is answered the same answers with the same object. As long as that can't change, it is what it was when it was checked.
const verdicts = new WeakMap<ActivePolicy["catalogue"], WeakMap<object, Verdict>>();

/** Returns the verdict of a result by itself; null if the result isn't sound. */
function verdictOf(result: unknown, policy: ActivePolicy): Verdict | null {
  let known = verdicts.get(policy.catalogue);
  if (known === undefined) verdicts.set(policy.catalogue, (known = new WeakMap()));
  const before = known.get(result as object);
  if (before !== undefined) return before;
  if (!validResult(result) || !isSound(result, policy)) return null;
  const { reasons, obligations, proceed } = result;
  const distinct: Obligation[] = [];
  for (const obligation of obligations) if (!isIn(distinct, obligation)) distinct.push(obligation);
  const ordered = reasons.map((reason) => explained(reason, policy)).sort(byWeight);
  const verdict = weighed(ordered, distinct, proceed);
  if (isFrozen(result)) known.set(result, verdict);
  return verdict;
}

/** To its depths. */
function isFrozen(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}

/** @param reasons in their order */
function weighed(reasons: readonly Explained[], obligations: readonly Obligation[], proceed: boolean): Verdict {
  const decision = gravest(reasons);
  return {
    decision,
    proceed,
    reasons,
    obligations,
    tell_agent: decision === "allow" ? null : toldOf(reasons[0]?.entry.tell_agent ?? null, decision === "flag", proceed),
  };
}

function toldOf(sentence: string | null, flagged: boolean, proceed: boolean): string | null {
  if (!flagged || sentence !== FLAG_TOLD.unsaid) return sentence;
  return proceed ? FLAG_TOLD.proceeds : FLAG_TOLD.waits;
}

function explained(reason: PolicyReason, policy: Pick<ActivePolicy, "catalogue">): Explained {
  return { reason, entry: explain(reason.code, policy) };
}

/** Returns the conclusion for an action that was done without having been asked for: the same, and a person has to look into it. */
export function unasked(conclusion: Conclusion, policy: Pick<ActivePolicy, "catalogue">, scene: Scene, own: string | null): Conclusion {
  const { effect, severity } = UNASKED;
  const reason = render(explained({ effect, code: "not_asked", severity, params: {} }, policy), scene, own);
  const { reasons } = conclusion;
  const permitting = reasons.findIndex((one) => one.effect === "allow");
  const at = permitting < 0 ? reasons.length : permitting;
  return { ...conclusion, reasons: [...reasons.slice(0, at), reason, ...reasons.slice(at)] };
}

/** An answer is a part of its record, whole, and a record has to fit into a leaf of the log's tree. In UTF-16 units, and in bytes as written. */
const SAID_LENGTH_MAX = 16 * 1024;
const SAID_BYTES_MAX = 40 * 1024;
/** Most bytes that are written around a reason's texts. */
const AROUND_REASON = 1024;

function saysTooMuch(reasons: readonly Reason[], obligations: readonly Obligation[]): boolean {
  const length = lengthOf(reasons, obligations);
  if (length > SAID_LENGTH_MAX) return true;
  // A unit is at most three bytes, and a control character six: most need not be measured.
  if (length * 6 + reasons.length * AROUND_REASON <= SAID_BYTES_MAX) return false;
  return Buffer.byteLength(JSON.stringify(reasons)) + Buffer.byteLength(JSON.stringify(obligations)) > SAID_BYTES_MAX;
}

function lengthOf(reasons: readonly Reason[], obligations: readonly Obligation[]): number {
  let length = obligations.length === 0 ? 0 : JSON.stringify(obligations).length;
  for (const { code, message, params } of reasons) {
    length += code.length + message.length;
    for (const name in params) length += name.length + JSON.stringify(params[name]).length;
  }
  return length;
}

/** Adds the reasons of a task of the chain, without those that another task has given already. */
function addNew(placed: Placed[], reasons: readonly Explained[], scene: Scene): void {
  const before = placed.length;
  for (const { reason, entry } of reasons) {
    const known = before > 0 && placed.some((other, i) => i < before && isEqual(other.reason, reason));
    if (!known) placed.push({ reason, entry, scene });
  }
}

function isIn(obligations: readonly Obligation[], obligation: Obligation): boolean {
  return obligations.some((other) => isEqual(other, obligation));
}

function isEqual(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

/** A grant that would have been asked, were it live. */
function whyNotGranted({ state, input }: GrantFound): PolicyReason[] {
  if (state === "live") return [];
  return [{ effect: "deny", code: `grant_${state}`, severity: "low", params: { grant: input.id } }];
}

/** The first of reasons in order of weight decides; one that only asks for attention leaves it be. */
function gravest([first]: readonly Explained[]): "deny" | "flag" | "allow" {
  const effect = first?.reason.effect;
  return effect === "deny" || effect === "flag" ? effect : "allow";
}

function deny(code: string, params: Record<string, unknown>, policy: ActivePolicy, scene: Scene, own: string | null): Conclusion {
  const entry = explain(code, policy);
  const { severity, tell_agent } = entry;
  const reason = render({ reason: { effect: "deny", code, severity, params }, entry }, scene, own);
  return { decision: "deny", proceed: false, reasons: [reason], obligations: [], tell_agent, wait: null };
}

/** The rules that tie a result together, checked independently of the policy that made it. */
function isSound({ decision, proceed, reasons, obligations }: PolicyResult, policy: ActivePolicy): boolean {
  let [denied, flagged, allowed, held] = [false, false, false, false];
  for (const { effect, code, proceed: goesOn, needs } of reasons) {
    if (!isExplained(code, policy)) return false;
    if (effect === "deny") denied = true;
    else if (effect === "flag") {
      flagged = true;
      held ||= goesOn !== true || needs !== undefined;
    } else if (effect === "allow") {
      allowed = true;
      // What was written to refuse, or to note, doesn't permit.
      if (explain(code, policy).effect !== "allow") return false;
    }
  }
  return (
    decision === (denied ? "deny" : flagged ? "flag" : allowed ? "allow" : null) &&
    (!proceed || (!denied && !held && (allowed || flagged))) &&
    (decision !== "allow" || proceed) &&
    !contradict(obligations)
  );
}

/** Two values for one argument: no enforcement point could honour both. */
function contradict(obligations: Obligation[]): boolean {
  if (obligations.length < 2) return false;
  const values = new Map<string, unknown>();
  for (const obligation of obligations) {
    if (obligation.type !== "modify") continue;
    if (values.has(obligation.argument) && values.get(obligation.argument) !== obligation.value) return true;
    values.set(obligation.argument, obligation.value);
  }
  return false;
}

/** An approval, unless all that any flag waits for is something that could be found out. */
function waitFor(reasons: readonly Explained[]): Conclusion["wait"] {
  const waiting = reasons.filter(({ reason }) => reason.effect === "flag" && reason.proceed !== true);
  const needs = waiting.flatMap(({ reason }) => reason.needs ?? []);
  return waiting.length > 0 && waiting.every(({ reason }) => (reason.needs ?? []).length > 0)
    ? { for: "context", needs: [...new Set(needs)].sort() }
    : { for: "approval" };
}

const EFFECTS: readonly Effect[] = ["deny", "flag", "log", "allow"];

/** The deciding effect first, the gravest of it first. The engine's own order is that of a hash, and says nothing. */
function byWeight({ reason: a }: Explained, { reason: b }: Explained): number {
  return (
    EFFECTS.indexOf(a.effect) - EFFECTS.indexOf(b.effect) ||
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    compare(a.code, b.code) ||
    compare(canonical(a.params), canonical(b.params))
  );
}

function inOrder(obligations: readonly Obligation[]): Obligation[] {
  return [...obligations].sort((a, b) => compare(canonical(a), canonical(b))).map((obligation) => inKeyOrder(obligation) as Obligation);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const UNASKED: Pick<BuiltinReason, "effect" | "severity"> = BUILTIN_REASONS.get("not_asked") ?? {
  effect: "log",
  severity: "high",
};
const UNEXPLAINED: BuiltinReason = { effect: "deny", severity: "high", message: "", tell_agent: "" };

function isExplained(code: string, policy: ActivePolicy): boolean {
  return Object.hasOwn(policy.catalogue, code) || BUILTIN_REASONS.has(code);
}

function explain(code: string, policy: Pick<ActivePolicy, "catalogue">): CatalogueEntry | BuiltinReason {
  if (Object.hasOwn(policy.catalogue, code)) return policy.catalogue[code] ?? UNEXPLAINED;
  return BUILTIN_REASONS.get(code) ?? UNEXPLAINED;
}

function render({ reason, entry }: Explained, scene: Scene, own: string | null): Reason {
  const { effect, code, severity, params } = reason;
  const { texts, paths } = templateOf(entry);
  const isBuiltin = !("sources" in entry);
  let message = texts[0] ?? "";
  for (let i = 0; i < paths.length; i++) {
    const { name, root, rest } = paths[i] ?? NO_PATH;
    const given = Object.hasOwn(params, name) ? params[name] : look(root, rest, scene);
    message +=
      (name === PHRASES ? showPhrases(given) : isBuiltin && name === WRITER ? showWriter(given) : show(given)) + (texts[i + 1] ?? "");
  }
  const { task_id } = scene.situation;
  const ordered = inKeyOrder(params) as typeof params;
  if (task_id === null || task_id === own) return { code, effect, message, params: ordered, severity };
  return { code, effect, message, of: task_id, params: ordered, severity };
}

/** A message taken apart: before, between and after the names it shows. */
interface Template {
  texts: string[];
  paths: { name: string; root: string; rest: string[] }[];
}

const NO_PATH: Template["paths"][number] = { name: "", root: "", rest: [] };

const templates = new WeakMap<CatalogueEntry | BuiltinReason, Template>();

function templateOf(explained: CatalogueEntry | BuiltinReason): Template {
  let template = templates.get(explained);
  if (template === undefined) {
    const parts = explained.message.split(/\{([a-z0-9_.]+)\}/);
    const names = parts.filter((_, i) => i % 2 === 1);
    const paths = names.map((name) => {
      const [root = "", ...rest] = name.split(".");
      return { name, root, rest };
    });
    template = { texts: parts.filter((_, i) => i % 2 === 0), paths };
    templates.set(explained, template);
  }
  return template;
}

/** Keys come from the engine in an order of its own, which another engine does not share; a record's are in theirs. */
function inKeyOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inKeyOrder);
  const keys = Object.keys(value);
  if (keys.length === 0) return {};
  keys.sort();
  return Object.fromEntries(keys.map((key) => [key, inKeyOrder((value as Record<string, unknown>)[key])]));
}

/** A template's name as matchers spell paths: a word of the action, an attribute, or a path with its root. */
function look(root: string, rest: string[], { action, caller, situation, vocabulary }: Scene): unknown {
  const { request } = action;
  const { agent, task } = situation;
  switch (root) {
    case "agent":
      if (rest.length === 0) return situation.agent_id;
      return agent === undefined ? undefined : step(vocabulary.agent(agent.attributes), rest);
    case "task":
      if (rest.length === 0) return situation.task_id;
      if (task === undefined) return undefined;
      return step(taskSubjects(task, vocabulary), rest) ?? step(vocabulary.task(task.attributes), rest);
    case "arguments":
      return step(request.arguments, rest);
    case "related": {
      const [role = "", ...path] = rest;
      const resource = Object.hasOwn(request.related, role) ? request.related[role] : undefined;
      return path[0] === "id" ? resource?.id : step(resource?.attributes, path);
    }
    case "caller":
      return caller.id;
    case "purpose":
    case "verb":
      return request[root];
    case "resource": {
      const { type, id } = request.resource;
      return rest.length > 0 ? undefined : id === null ? type : `${type} ${id}`;
    }
    case "type":
    case "id":
      return request.resource[root];
    default:
      return step(request.resource.attributes, [root, ...rest]);
  }
}

function step(from: unknown, path: string[]): unknown {
  let value = from;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The param that says in phrases why something is unusual, the weightiest first. */
const PHRASES = "why";
const SHOWN_LENGTH_MAX = 200;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

const WRITER = "writer";
/** The user's value stops an action only if the instruction excludes it. */
const WRITERS_SHOWN: Readonly<Record<FoundWriter, string>> = {
  user: "what the user excludes",
  own: "the user's own facts",
  service: "a service's record",
  member: "what a member of the organisation wrote",
  anyone: "what anyone could have written",
  nowhere: "nothing that was read on the task",
  unknown: "something that is no longer remembered",
};

function showWriter(value: unknown): string {
  return typeof value === "string" && Object.hasOwn(WRITERS_SHOWN, value) ? WRITERS_SHOWN[value as FoundWriter] : show(value);
}

/** Shows as many phrases as fit, each whole. */
function showPhrases(value: unknown): string {
  if (!Array.isArray(value)) return show(value);
  let text = "";
  for (const phrase of value.map(show)) {
    const more = text === "" ? phrase : `${text}; ${phrase}`;
    if (more.length > SHOWN_LENGTH_MAX) break;
    text = more;
  }
  return text;
}

/** Values end up before people: clipped, and without what could steer a terminal or hide text. */
function show(value: unknown): string {
  if (value === null || value === undefined) return "unknown";
  const text = Array.isArray(value) ? value.map(show).join(", ") : typeof value === "string" ? value : JSON.stringify(value);
  if (text.length <= SHOWN_LENGTH_MAX && PRINTABLE_ASCII.test(text)) return text;
  return clip(text, SHOWN_LENGTH_MAX).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}
