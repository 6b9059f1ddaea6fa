/**
 * The COAZ binding for MCP (OpenID AuthZEN profile, draft 1): what an AuthZEN decision point is asked before a JSON-RPC request goes on.
 * A tool may say so itself, in `x-authzen-mapping` of its `inputSchema`; everything else has a mapping of the binding's own. What can't
 * be mapped, and what the binding doesn't know, doesn't go on.
 */
import { ExpressionFault, expression, spend, type Budget, type CoazExpression, type Variables } from "./coaz_expression.js";
import { isObject } from "../../mapping/call_mapping.js";

/** JSON-RPC codes (binding, errors). The denial's clashes with one of MCP's SDK: whoever minds gives another. */
export const COAZ_ERRORS = { mapping: -32602, denial: -32001, unreachable: -32603 } as const;

export interface CoazRequest {
  method: string;
  params?: Readonly<Record<string, unknown>> | undefined;
}

/** The tool that `tools/call` names, as the server lists it. */
export interface CoazTool {
  inputSchema?: unknown;
}

/** Claims of a validated token. */
export type Claims = Readonly<Record<string, unknown>>;

export interface CoazOptions {
  /** Server's own identifier; a token for another audience doesn't go on. @default the token's one audience */
  resource?: string;
  /** Claim that says who the subject is; a mapping may not name anybody else. @default `sub` */
  subject_claim?: string;
}

export type CoazQuestion = { pass: true } | { api: "evaluation" | "evaluations"; body: Record<string, unknown> };

/** Why it doesn't go on, without a decision point having been asked. */
export class CoazRefusal extends Error {
  override readonly name = "CoazRefusal";

  constructor(
    readonly why: "mapping" | "denial",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Neither is about what the server has. */
const PASSES = /^(?:ping|notifications\/.+)$/;

type Mapping = Readonly<Record<string, unknown>>;

/** Characters and values of a question: what it is made of is a server's and a model's. */
const QUESTION_MAX = 64 * 1024;

interface Scope {
  variables: Variables;
  budget: Budget;
}

const AGENT = { agent: "$token.?client_id" };
const ON_SERVER = { type: "mcp_server" };
const ON_RESOURCE = { type: "resource", id: "$params.uri" };
const ON_PROMPT = { type: "prompt", id: "$params.name" };
const ON_TASK = { type: "task", id: "$params.taskId" };

interface Default {
  resource: Mapping;
  context?: Mapping;
}

/** The binding's default mappings: the resource, and what else the context says. */
const DEFAULTS: Readonly<Record<string, Default>> = {
  initialize: { resource: ON_SERVER, context: { protocol_version: "$params.?protocolVersion" } },
  "logging/setLevel": { resource: ON_SERVER, context: { level: "$params.?level" } },
  "tools/list": { resource: ON_SERVER },
  "tools/call": { resource: { type: "tool", id: "$params.name" } },
  "resources/list": { resource: ON_SERVER },
  "resources/templates/list": { resource: ON_SERVER },
  "resources/read": { resource: ON_RESOURCE },
  "resources/subscribe": { resource: ON_RESOURCE },
  "resources/unsubscribe": { resource: ON_RESOURCE },
  "prompts/list": { resource: ON_SERVER },
  "prompts/get": { resource: ON_PROMPT },
  "tasks/list": { resource: ON_SERVER },
  "tasks/get": { resource: ON_TASK },
  "tasks/result": { resource: ON_TASK },
  "tasks/cancel": { resource: ON_TASK },
};

const COMPLETION_ON: Readonly<Record<string, Mapping>> = {
  "ref/prompt": { type: "prompt", id: "$params.ref.name" },
  "ref/resource": { type: "resource", id: "$params.ref.uri" },
};

/**
 * @param tool of a `tools/call`; undefined where the server lists none of its name
 * @throws CoazRefusal
 */
export function coazQuestion(
  { method, params = {} }: CoazRequest,
  tool: CoazTool | undefined,
  token: Claims,
  options: CoazOptions = {},
): CoazQuestion {
  if (PASSES.test(method)) return { pass: true };
  const fallback = method === "completion/complete" ? completion(params) : Object.hasOwn(DEFAULTS, method) ? DEFAULTS[method] : undefined;
  if (fallback === undefined) throw new CoazRefusal("denial", "the method is not one that is known here");
  checkAudience(token, options);
  const scope = { variables: { params, token }, budget: { left: QUESTION_MAX } };
  const resource = fallback.resource === ON_SERVER ? { ...ON_SERVER, id: audienceOf(token, options) } : fallback.resource;
  const defaults = {
    subject: { type: "identity", id: "$token.sub" },
    action: { name: method },
    resource,
    context: { ...AGENT, ...fallback.context },
  };
  const declared = method === "tools/call" ? declaredIn(tool) : undefined;
  if (declared === undefined) return { api: "evaluation", body: resolved(defaults, scope, token, options) };
  return fromDeclared(declared, defaults, scope, token, options);
}

function completion({ ref }: Readonly<Record<string, unknown>>): Default {
  const type = isObject(ref) ? ref["type"] : undefined;
  const resource = typeof type === "string" && Object.hasOwn(COMPLETION_ON, type) ? COMPLETION_ON[type] : undefined;
  if (resource === undefined) throw new CoazRefusal("mapping", "what is to be completed is of no known kind");
  return { resource };
}

/** Literally the server's: never read as an expression. */
function audienceOf({ aud }: Claims, { resource }: CoazOptions): string {
  const [only, ...more] = Array.isArray(aud) ? (aud as unknown[]) : [aud];
  const one = resource ?? (more.length === 0 ? only : undefined);
  if (typeof one !== "string") throw new CoazRefusal("mapping", "the token doesn't say which server it is for");
  return one.startsWith("$") ? `$${one}` : one;
}

function checkAudience({ aud }: Claims, { resource }: CoazOptions): void {
  if (resource === undefined || aud === resource || (Array.isArray(aud) && aud.includes(resource))) return;
  throw new CoazRefusal("denial", "the token is for another server");
}

function declaredIn(tool: CoazTool | undefined): unknown {
  const schema = tool?.inputSchema;
  return isObject(schema) && Object.hasOwn(schema, KEY) ? schema[KEY] : undefined;
}

const KEY = "x-authzen-mapping";
const MEMBERS = ["subject", "action", "resource", "context"];
const ITEM_MEMBERS = ["action", "resource", "context"];

function fromDeclared(declared: unknown, defaults: Mapping, scope: Scope, token: Claims, options: CoazOptions): CoazQuestion {
  const [api, ...more] = isObject(declared) ? Object.keys(declared) : [];
  if (!isObject(declared) || more.length > 0 || (api !== "evaluation" && api !== "evaluations"))
    throw malformed("it has one of `evaluation` and `evaluations`, and nothing else");
  const { evaluations, options: asked, ...own } = objectOf(declared[api], api);
  const unknown = Object.keys(own).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) throw malformed(`${api} has no member of this name`);
  if (api === "evaluation") {
    if (evaluations !== undefined || asked !== undefined) throw malformed("one evaluation has no others in it");
    return { api, body: resolved({ ...defaults, ...own }, scope, token, options) };
  }
  if (!Array.isArray(evaluations) || evaluations.length === 0) throw malformed("`evaluations` is a list of them");
  const { subject, context } = defaults;
  const body = resolved({ subject, context, ...own }, scope, token, options);
  const items = (evaluations as unknown[]).map((item) => {
    const members = objectOf(item, "evaluations");
    const foreign = Object.keys(members).find((name) => !ITEM_MEMBERS.includes(name));
    if (foreign !== undefined) throw malformed("an item has action, resource and context; its subject is that of all");
    for (const name of ["action", "resource"])
      if (members[name] === undefined && own[name] === undefined) throw malformed(`an item lacks ${name}`);
    return checked(objectOf(valueOf(members, scope), "evaluations"));
  });
  return { api, body: { ...body, evaluations: items, ...(asked === undefined ? {} : { options: objectOf(asked, "options") }) } };
}

function resolved(mapping: Mapping, scope: Scope, token: Claims, options: CoazOptions): Record<string, unknown> {
  const body = objectOf(valueOf(mapping, scope), "evaluation");
  const id = isObject(body["subject"]) ? body["subject"]["id"] : undefined;
  const claim = token[options.subject_claim ?? "sub"];
  // Whoever writes a mapping, or arguments, doesn't choose whose authority is asked about.
  if (typeof claim !== "string" || id !== claim) throw malformed("the subject is not who the token names");
  return checked(body);
}

const FIELDS = [
  ["subject", "type"],
  ["action", "name"],
  ["resource", "type"],
  ["resource", "id"],
] as const;

/** Rejects a question that a decision point would have to refuse. */
function checked(body: Record<string, unknown>): Record<string, unknown> {
  for (const [member, field] of FIELDS) {
    const value = body[member];
    if (member in body && !(isObject(value) && typeof value[field] === "string")) throw malformed(`${member} lacks its ${field}`);
  }
  return body;
}

/** Mappings come from servers: bounded, so that none is a burden. */
const DEPTH_MAX = 8;
const ITEMS_MAX = 64;

/** A member whose value isn't there is left out. */
function valueOf(mapping: unknown, scope: Scope, depth = 0): unknown {
  if (depth > DEPTH_MAX) throw malformed("it is nested too deep");
  if (typeof mapping === "string") return textOf(mapping, scope);
  if (Array.isArray(mapping)) {
    if (mapping.length > ITEMS_MAX) throw malformed("a list of it is too long");
    return (mapping as unknown[]).map((item) => {
      const value = valueOf(item, scope, depth + 1);
      if (value === undefined) throw malformed("an element of a list is missing");
      return value;
    });
  }
  if (!isObject(mapping)) return mapping;
  const members = Object.entries(mapping);
  if (members.length > ITEMS_MAX) throw malformed("it has too many members");
  const values = members.map(([name, member]) => [name, valueOf(member, scope, depth + 1)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

const expressions = new Map<string, CoazExpression>();
const EXPRESSIONS_MAX = 1024;

function textOf(text: string, scope: Scope): unknown {
  try {
    spend(scope.budget, text.length);
    if (!text.startsWith("$")) return text;
    if (text.startsWith("$$")) return text.slice(1);
    let found = expressions.get(text);
    if (found === undefined) {
      found = expression(text.slice(1));
      if (expressions.size >= EXPRESSIONS_MAX) expressions.clear();
      expressions.set(text, found);
    }
    return found(scope.variables, scope.budget);
  } catch (cause) {
    if (cause instanceof ExpressionFault) throw new CoazRefusal("mapping", "an expression has no value", { cause });
    throw cause;
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw malformed(`${what} is not an object`);
}

function malformed(what: string): CoazRefusal {
  return new CoazRefusal("mapping", `the mapping is malformed: ${what}`);
}
