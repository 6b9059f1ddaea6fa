/**
 * AuthZEN 1.0 requests as they come (sections 5 to 8). What it doesn't define is ignored, as it demands; what it does is of its type, or
 * refused. A member that is null counts as left out.
 */
import { Problem } from "../../contract/index.js";

export type JsonMembers = Readonly<Record<string, unknown>>;

/** Whatever else they have stays in them: a mapping may name it. */
export interface Entity extends JsonMembers {
  type: string;
  id: string;
  properties?: JsonMembers | null;
}
export interface NamedEntity extends JsonMembers {
  name: string;
  properties?: JsonMembers | null;
}

export interface AuthzenQuestion {
  subject: Entity;
  action: NamedEntity;
  resource: Entity;
  context: JsonMembers;
}

const SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"] as const;
export type Semantic = (typeof SEMANTICS)[number];

/** @throws Problem `field_missing`, `field_type`, `field_invalid` */
export function readQuestion(asked: unknown): AuthzenQuestion {
  const body = object(asked, "");
  return {
    subject: entity(required(body, "subject"), "/subject"),
    action: named(required(body, "action"), "/action"),
    resource: entity(required(body, "resource"), "/resource"),
    context: contextOf(body),
  };
}

export interface Several {
  semantic: Semantic;
  /** Each with the defaults put in its place; what is wrong with one is its problem alone. */
  items: (AuthzenQuestion | Problem)[];
}

/**
 * Section 7: a member of an item replaces the default whole.
 * @returns null for a body that asks one question
 * @throws Problem of what concerns all
 */
export function readSeveral(asked: unknown, max: number): Several | null {
  const body = object(asked, "");
  const items = given(body, "evaluations");
  if (items === undefined) return null;
  if (!Array.isArray(items)) throw new Problem("field_type", { field: "/evaluations", expected: "a list" });
  if (items.length === 0) return null;
  if (items.length > max) throw new Problem("field_invalid", { field: "/evaluations", expected: `at most ${max} of them` });
  const options = given(body, "options");
  const semantic = options === undefined ? undefined : given(object(options, "/options"), "evaluations_semantic");
  const known = SEMANTICS.find((one) => one === (semantic ?? "execute_all"));
  if (known === undefined) throw new Problem("field_invalid", { field: "/options/evaluations_semantic", expected: SEMANTICS.join(", ") });
  const defaults = readDefaults(body);
  return { semantic: known, items: items.map((item: unknown, at) => readItem(item, at, defaults)) };
}

type Defaults = Partial<AuthzenQuestion>;

function readDefaults(body: JsonMembers): Defaults {
  const [subject, action, resource] = [given(body, "subject"), given(body, "action"), given(body, "resource")];
  return {
    ...(subject === undefined ? {} : { subject: entity(subject, "/subject") }),
    ...(action === undefined ? {} : { action: named(action, "/action") }),
    ...(resource === undefined ? {} : { resource: entity(resource, "/resource") }),
    context: contextOf(body),
  };
}

function readItem(item: unknown, index: number, defaults: Defaults): AuthzenQuestion | Problem {
  const at = `/evaluations/${index}`;
  try {
    const own = object(item, at);
    const member = <T>(name: "subject" | "action" | "resource", read: (value: unknown, at: string) => T, fallback: T | undefined): T => {
      const value = given(own, name);
      if (value !== undefined) return read(value, `${at}/${name}`);
      if (fallback === undefined) throw missing(`${at}/${name}`);
      return fallback;
    };
    return {
      subject: member("subject", entity, defaults.subject),
      action: member("action", named, defaults.action),
      resource: member("resource", entity, defaults.resource),
      context: given(own, "context") === undefined ? (defaults.context ?? {}) : contextOf(own, at),
    };
  } catch (cause) {
    if (cause instanceof Problem) return cause;
    throw cause;
  }
}

export const SEARCHES = ["subject", "resource", "action"] as const;
export type SearchKind = (typeof SEARCHES)[number];

export interface Search {
  searched: SearchKind;
  subject: Entity;
  action: NamedEntity;
  resource: Entity;
  context: JsonMembers;
  page: { token: string | null; limit: number | null };
}

/**
 * Section 8: of what is looked for only the type counts, and neither id nor properties, which would be those of one among many.
 * @throws Problem `field_missing`, `field_type`, `field_invalid`
 */
export function readSearch(searched: SearchKind, asked: unknown): Search {
  const body = object(asked, "");
  const found = (name: "subject" | "resource"): Entity => {
    const value = required(body, name);
    const at = `/${name}`;
    return searched === name ? { type: textOf(object(value, at), "type", at), id: "" } : entity(value, at);
  };
  return {
    searched,
    subject: found("subject"),
    action: searched === "action" ? { name: "" } : named(required(body, "action"), "/action"),
    resource: found("resource"),
    context: contextOf(body),
    page: readPage(given(body, "page")),
  };
}

function readPage(value: unknown): Search["page"] {
  if (value === undefined) return { token: null, limit: null };
  const page = object(value, "/page");
  const [token, limit, properties] = [given(page, "token"), given(page, "limit"), given(page, "properties")];
  if (token !== undefined && typeof token !== "string") throw new Problem("field_type", { field: "/page/token", expected: "a string" });
  if (limit !== undefined && !(Number.isSafeInteger(limit) && (limit as number) >= 0))
    throw new Problem("field_type", { field: "/page/limit", expected: "an integer, 0 or more" });
  if (properties !== undefined) object(properties, "/page/properties");
  // An empty token is what the last page gave: there is nothing behind it, and from the beginning it would go on for ever.
  if (token === "") throw new Problem("field_invalid", { field: "/page/token", expected: "`next_token` of a page that isn't the last" });
  return { token: token ?? null, limit: (limit as number | undefined) ?? null };
}

function given(members: JsonMembers, name: string): unknown {
  return Object.hasOwn(members, name) ? (members[name] ?? undefined) : undefined;
}

function required(members: JsonMembers, name: string): unknown {
  const value = given(members, name);
  if (value === undefined) throw missing(`/${name}`);
  return value;
}

function missing(field: string): Problem {
  return new Problem("field_missing", { field, expected: "a value" });
}

function object(value: unknown, field: string): JsonMembers {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonMembers;
  throw new Problem("field_type", { field, expected: "an object" });
}

function textOf(members: JsonMembers, name: string, at: string): string {
  const field = `${at}/${name}`;
  const value = given(members, name);
  if (value === undefined) throw missing(field);
  if (typeof value !== "string") throw new Problem("field_type", { field, expected: "a string" });
  if (value === "") throw new Problem("field_invalid", { field, expected: "a string that isn't empty" });
  return value;
}

function entity(value: unknown, at: string): Entity {
  const members = object(value, at);
  textOf(members, "type", at);
  textOf(members, "id", at);
  checkProperties(members, at);
  return members as Entity;
}

function named(value: unknown, at: string): NamedEntity {
  const members = object(value, at);
  textOf(members, "name", at);
  checkProperties(members, at);
  return members as NamedEntity;
}

function checkProperties(members: JsonMembers, at: string): void {
  const properties = given(members, "properties");
  if (properties !== undefined) object(properties, `${at}/properties`);
}

function contextOf(body: JsonMembers, at = ""): JsonMembers {
  const context = given(body, "context");
  return context === undefined ? NOTHING : object(context, `${at}/context`);
}

const NOTHING: JsonMembers = {};
