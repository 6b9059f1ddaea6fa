/** One record with what is masked replaced: the same value by the same digest, wherever it stands. */
import {
  canonical,
  conditionLiterals,
  inputPlaces,
  overlap,
  pathShows,
  pointerToken,
  type Answer,
  type Approval,
  type InputResource,
  type Mask,
  type Obligation,
  type PolicyInput,
  type Reason,
} from "../../contract/index.js";
import type { AgentProof, Masked, Maskable, NamesOfAct } from "../../decision/ports.js";
import { maskText, type MaskKey } from "./digest.js";
import { maskBelow, type Below } from "./fields.js";
import type { Plan } from "./plan.js";

/** A text that holds a shorter one may hold it by chance. */
const HELD_LENGTH_MIN = 4;
const ACTION_DIGEST = "action_digest";
const APPROVAL_DIGEST = "approval_digest";

export class Masking {
  readonly #plan: Plan;
  readonly #key: MaskKey;
  readonly #pointers: string[] = [];
  readonly #digests = new Map<string, string>();
  /** Masks that found a value here. */
  readonly #found = new Set<Mask>();
  /** The values, as far as another text may hold them. */
  readonly #hidden = new Set<string | number>();

  constructor(plan: Plan, key: MaskKey) {
    this.#plan = plan;
    this.#key = key;
  }

  get pointers(): string[] {
    return this.#pointers.sort();
  }

  decision({ answer, levels, floored, request, proof }: Maskable): Masked {
    const { type } = request.resource;
    const texts = levels.map((text, i) => {
      const read = JSON.parse(text) as PolicyInput & Floor;
      const place = i > 0 ? `/ancestors/${i - 1}` : floored ? "/floor" : "/input";
      if (floored) this.#floor(read, place);
      else this.#input(read, place);
      return JSON.stringify(read);
    });
    const asked = floored ? structuredClone(request) : request;
    if (floored) this.#request(asked, "/request");
    const proven = proof === null ? null : { ...proof, principal: this.#subject(proof.principal, "/proof/principal") };
    return {
      levels: texts,
      request: asked,
      proof: proven,
      answer: this.#answer(answer, request.purpose, type),
      pointers: this.pointers,
    };
  }

  /** Returns the names that the record of an action will have in place of its own. */
  names({ type, id, session, source }: NamesOfAct): NamesOfAct {
    const context = { session, source };
    const resource = { attributes: {}, id, type };
    this.#below(this.#plan.context, context, "");
    this.#resource(resource, "");
    return { type, id: resource.id, ...context };
  }

  /** A record of facts, in place. */
  facts(record: Record<string, unknown>): Record<string, unknown> {
    const { agent, task, subjects, principal } = this.#plan;
    const fact = (kind: string): Record<string, unknown> => (record[kind] ?? {}) as Record<string, unknown>;
    this.#below(agent, fact("agent")["attributes"], "/agent/attributes");
    this.#below(task, fact("task")["attributes"], "/task/attributes");
    this.#below(subjects, fact("task")["subjects"], "/task/subjects");
    this.#member(fact("task"), "principal", principal, "/task");
    const grant = fact("grant");
    if (grant["entry"] !== null && grant["entry"] !== undefined) this.#entry(grant["entry"] as Record<string, unknown>);
    if (this.#plan.covers && typeof grant[ACTION_DIGEST] === "string")
      grant[ACTION_DIGEST] = this.#put(ACTION_DIGEST, grant[ACTION_DIGEST], `/grant/${ACTION_DIGEST}`);
    const approval = grant["approval"] as Partial<Approval> | undefined;
    if (approval?.digest !== undefined) approval.digest = this.#put(APPROVAL_DIGEST, approval.digest, "/grant/approval/digest");
    this.#revocation(fact("revocation"));
    const reasoned: (readonly [of: Record<string, unknown>, place: string])[] = [
      [record, ""],
      [grant, "/grant"],
      ...(approval?.given ?? []).map((given, i) => [given, `/grant/approval/given/${i}`] as const),
      [fact("revocation"), "/revocation"],
      [(fact("revocation")["lifted"] ?? {}) as Record<string, unknown>, "/revocation/lifted"],
    ];
    for (const [of, place] of reasoned)
      if (typeof of["reason"] === "string" && this.#holds(of["reason"]))
        of["reason"] = this.#put("reason", of["reason"], `${place}/reason`);
    return this.#pointers.length === 0 ? record : { ...record, masked: this.pointers };
  }

  /** Detail of a record of a security event: whom it is about, and what was changed of theirs. */
  securityEvent(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { principal } = this.#plan;
    if (principal === null) return detail;
    const { subject, targets } = detail;
    const masked: Record<string, unknown> = { ...detail, subject: this.#texts(principal, subject, "/detail/subject") };
    if (Array.isArray(targets)) masked["targets"] = targets.map((target, i) => this.#named(principal, target, `/detail/targets/${i}`));
    return this.#pointers.length === 0 ? masked : { ...masked, masked: this.pointers };
  }

  /** A principal is named by a revocation in itself, and in its id. */
  #revocation(revocation: Record<string, unknown>): void {
    const { principal } = this.#plan;
    if (principal === null || revocation["scope"] !== "principal") return;
    const { id, of } = revocation;
    const digest = this.#replace(principal, of, "/revocation/of");
    revocation["of"] = digest;
    revocation["id"] = `${text(id).slice(0, text(id).indexOf("/") + 1)}${digest}`;
    this.#pointers.push("/revocation/id");
  }

  /** `principal/ada`, as `principal/` and a digest; anything else as it is. */
  #named(principal: Mask, name: unknown, place: string): unknown {
    const [, kind, of] = /^(principal(?:@[^/]*)?\/)(.*)$/s.exec(text(name)) ?? [];
    return kind === undefined ? name : `${kind}${this.#replace(principal, of, place)}`;
  }

  /** Each text within, but the name of a subject's format (RFC 9493, section 3). */
  #texts(mask: Mask, value: unknown, place: string): unknown {
    if (typeof value === "string") return this.#replace(mask, value, place);
    if (Array.isArray(value)) return value.map((one, i) => this.#texts(mask, one, `${place}/${i}`));
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).map(([name, one]): [string, unknown] => [
      name,
      name === "format" ? one : this.#texts(mask, one, `${place}/${pointerToken(name)}`),
    ]);
    return Object.fromEntries(entries);
  }

  #input({ facts, request }: PolicyInput, place: string): void {
    const { agent, task, subjects, principal } = this.#plan;
    this.#request(request, `${place}/request`);
    this.#below(agent, facts.agent.attributes, `${place}/facts/agent/attributes`);
    this.#below(task, facts.task.attributes, `${place}/facts/task/attributes`);
    this.#below(subjects, facts.task.subjects, `${place}/facts/task/subjects`);
    this.#member(facts, "principal", principal, `${place}/facts`);
    for (const [i, grant] of facts.grants.entries()) this.#conditions(grant.when, request.resource.type, `${place}/facts/grants/${i}/when`);
  }

  #request(request: PolicyInput["request"], place: string): void {
    const { types, context } = this.#plan;
    this.#below(types.get(request.resource.type)?.arguments ?? null, request.arguments, `${place}/arguments`);
    this.#below(context, request.context, `${place}/context`);
    this.#resource(request.resource, `${place}/resource`);
    for (const [role, resource] of Object.entries(request.related)) this.#resource(resource, `${place}/related/${pointerToken(role)}`);
  }

  #resource(resource: InputResource, place: string): void {
    const of = this.#plan.types.get(resource.type);
    this.#member(resource, "id", of === undefined ? this.#plan.unknown_id : of.id, place);
    if (of === undefined) return;
    this.#below(of.attributes, resource.attributes, `${place}/attributes`);
  }

  #floor(floor: Floor, place: string): void {
    if (floor.task !== null) this.#member(floor.task, "principal", this.#plan.principal, `${place}/task`);
    if (floor.agent_proof !== null)
      floor.agent_proof.principal = this.#subject(floor.agent_proof.principal, `${place}/agent_proof/principal`);
  }

  #subject(subject: AgentProof["principal"], place: string): AgentProof["principal"] {
    const { principal } = this.#plan;
    if (subject === null || principal === null) return subject;
    return { ...subject, subject: this.#replace(principal, subject.subject, `${place}/subject`) };
  }

  #conditions(when: PolicyInput["facts"]["grants"][number]["when"], type: string, place: string): void {
    for (const [i, condition] of when.entries()) {
      for (const { holder, key, at: pointer, paths } of conditionLiterals(condition)) {
        const mask = this.#plan.masks.find((one) =>
          inputPlaces(one, type, this.#plan.vocabulary).some((at) => paths.some((path) => overlap(path, at))),
        );
        if (mask !== undefined) replaceEach(holder, key, `${place}/${i}${pointer}`, (value, at) => this.#hide(mask, value, at));
      }
    }
  }

  /** Masks an entry as its author wrote it, so its paths stand for any type. */
  #entry({ when }: Record<string, unknown>): void {
    if (typeof when !== "object" || when === null) return;
    this.#when(when as Record<string, unknown>, "/grant/entry/when");
  }

  #when(members: Record<string, unknown>, place: string): void {
    for (const [path, matcher] of Object.entries(members)) {
      const at = `${place}/${pointerToken(path)}`;
      if (path === "any" && Array.isArray(matcher)) {
        for (const [i, one] of (matcher as Record<string, unknown>[]).entries()) this.#when(one, `${at}/${i}`);
        continue;
      }
      const mask = this.#plan.masks.find((one) => pathShows(path, one));
      if (mask !== undefined) this.#matcher(members, path, place, mask);
    }
  }

  /** Whatever a matcher of a masked path compares with, but for the names of other paths. */
  #matcher(of: Record<string, unknown>, name: string, place: string, mask: Mask): void {
    const matcher = of[name];
    if (typeof matcher !== "object" || matcher === null || Array.isArray(matcher)) {
      replaceEach(of, name, place, (value, at) => this.#hide(mask, value, at));
      return;
    }
    for (const op of Object.keys(matcher)) {
      if (op !== "same_as" && op !== "of") this.#matcher(matcher as Record<string, unknown>, op, `${place}/${pointerToken(name)}`, mask);
    }
  }

  #answer(answer: Answer, purpose: string, type: string): Answer {
    const reasons = answer.reasons.map((reason, i) => this.#reason(reason, `/answer/reasons/${i}`));
    const obliged = this.#finds(this.#plan.obliged(purpose));
    const obligations = answer.obligations.map((one, i) => this.#obligation(one, type, obliged, `/answer/obligations/${i}`));
    const masked = { ...answer, reasons, obligations };
    // Of a type that the vocabulary hasn't, arguments aren't read; their digest is.
    const isUnread = !this.#plan.types.has(type);
    if (this.#plan.covers && (isUnread || this.#pointers.some(isCovered)))
      masked.action_digest = this.#put(ACTION_DIGEST, answer.action_digest, `/answer/${ACTION_DIGEST}`);
    // It covers whatever the policy saw, and more.
    const { wait } = answer;
    if (wait?.approval_digest !== undefined && (isUnread || this.#pointers.length > 0))
      masked.wait = { ...wait, approval_digest: this.#put(APPROVAL_DIGEST, wait.approval_digest, `/answer/wait/${APPROVAL_DIGEST}`) };
    return masked;
  }

  #reason(reason: Reason, place: string): Reason {
    const shown = this.#plan.shown(reason.code);
    const all = this.#finds(shown.params);
    let holds = all || this.#finds(shown.message) || this.#holds(reason.message);
    const params = Object.fromEntries(
      Object.entries(reason.params).map(([name, value]) => {
        if (value === null || !(all || this.#holds(value))) return [name, value];
        holds = true;
        return [name, this.#put(`reason.${reason.code}.params.${name}`, value, `${place}/params/${pointerToken(name)}`)];
      }),
    );
    if (!holds) return reason;
    const message = this.#put(`reason.${reason.code}.message`, reason.message, `${place}/message`);
    return { ...reason, params, message };
  }

  #obligation(obligation: Obligation, type: string, obliged: boolean, place: string): Obligation {
    const masked: Record<string, unknown> = { ...obligation };
    for (const [name, value] of Object.entries(obligation)) {
      if (name === "type" || name === "argument") continue;
      const isArgument = obligation.type === "modify" && name === "value";
      const tree = this.#plan.types.get(type)?.arguments?.fields.get(isArgument ? obligation.argument : "");
      if (tree !== undefined) masked[name] = this.#below(tree, structuredClone(value), `${place}/${name}`);
      else if (obliged || this.#holds(value)) masked[name] = this.#all(name, value, `${place}/${name}`);
    }
    return masked as Obligation;
  }

  /** Each of a list's texts: an obligation keeps its shape. */
  #all(name: string, value: unknown, place: string): unknown {
    if (!Array.isArray(value)) return this.#put(`obligation.${name}`, value, place);
    return value.map((one, i) => this.#put(`obligation.${name}`, one, `${place}/${i}`));
  }

  #below(tree: Below | null, value: unknown, place: string): unknown {
    return tree === null ? value : maskBelow(tree, value, place, this.#replace);
  }

  #member(of: object, name: string, mask: Mask | null, place: string): void {
    const members = of as Record<string, unknown>;
    const value = members[name];
    if (mask === null || value === null || value === undefined) return;
    members[name] = this.#replace(mask, value, `${place}/${name}`);
  }

  readonly #replace = (mask: Mask, value: unknown, pointer: string): string => {
    this.#found.add(mask);
    return this.#hide(mask, value, pointer);
  };

  #hide(mask: Mask, value: unknown, pointer: string): string {
    this.#remember(value);
    return this.#put((mask.as ?? mask.at).join("."), value, pointer);
  }

  #put(field: string, value: unknown, pointer: string): string {
    this.#pointers.push(pointer);
    const text = `${field}\0${canonical(value)}`;
    let digest = this.#digests.get(text);
    if (digest === undefined) this.#digests.set(text, (digest = maskText(this.#key, field, value)));
    return digest;
  }

  #finds(masks: ReadonlySet<Mask>): boolean {
    for (const mask of masks) if (this.#found.has(mask)) return true;
    return false;
  }

  #remember(value: unknown): void {
    if (typeof value === "string" || typeof value === "number") this.#hidden.add(value);
    else if (typeof value === "object" && value !== null) for (const one of Object.values(value)) this.#remember(one);
  }

  /** Returns true if this value contains a masked one. What rules and templates show is known; this is for cases that nobody thought of. */
  #holds(value: unknown): boolean {
    if (typeof value === "object" && value !== null) return Object.values(value).some((one) => this.#holds(one));
    if (typeof value === "number") return this.#hidden.has(value);
    if (typeof value !== "string") return false;
    for (const hidden of this.#hidden)
      if (value === hidden || (typeof hidden === "string" && hidden.length >= HELD_LENGTH_MIN && value.includes(hidden))) return true;
    return false;
  }
}

interface Floor {
  task: { principal: string | null } | null;
  agent_proof: { principal: AgentProof["principal"] } | null;
}

/** Returns true if an action's digest covers the value at this place. */
function isCovered(pointer: string): boolean {
  return /^\/(?:input\/)?request\/(?:arguments\/|resource\/id$|related\/[^/]+\/id$)/.test(pointer);
}

/** A value, or each of a list. */
function replaceEach(of: object, name: string, place: string, hide: (value: unknown, pointer: string) => unknown): void {
  const members = of as Record<string, unknown>;
  const value = members[name];
  const at = `${place}/${pointerToken(name)}`;
  members[name] = Array.isArray(value) ? value.map((one, i) => hide(one, `${at}/${i}`)) : hide(value, at);
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
