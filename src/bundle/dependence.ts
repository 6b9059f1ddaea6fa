/**
 * Everything that a term's value rests on: what it reads of the input, by whatever names, iterations, helper rules, functions and
 * comprehensions, and what may leave it undefined. What can't be followed is part of the answer, so that nobody takes it for known.
 */
import { symbolsOf, type Origins, type TermScope } from "./origins.js";
import { calledBy, isText, type RegoExpression, type Node, type Rule } from "./rego_tree.js";

/** Something that a value rests on. */
export interface InputRead {
  term: Node;
  scope: TermScope;
  /**
   * `input`: it is the input's at the term's origins. `partial`: the term may be undefined, whatever the input. `opaque`: nothing is
   * known of it.
   */
  kind: "input" | "partial" | "opaque";
  /** True if all of the value counts, and not one member of it. */
  isWhole: boolean;
}

/** Use of a term: for its value, to iterate over, or for a member of it. */
type Use = "value" | "domain" | "member";

/** Builtins that are undefined for some arguments of the right type. */
const PARTIAL: ReadonlySet<string> = new Set(["div", "rem"]);
/** Terms looked at for one question; functions that call functions multiply. */
const STEPS_MAX = 20_000;
/** Builtins that may give variables in their arguments values. */
const UNIFYING: ReadonlySet<string> = new Set(["eq", "walk"]);
/** Builtins that are defined for null. */
export const DEFINED: ReadonlySet<string> = new Set([
  ...["is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"],
  ...["object.get", "sprintf", "type_name", "internal.template_string", "rego.metadata.rule", "rego.metadata.chain", "assign"],
]);

export class Dependence {
  readonly #origins: Origins;

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  /**
   * Lists what a term rests on, without what a type test in its surroundings makes sure of.
   * @param isDomain whether the term is what an iteration goes through: that iteration then proves nothing of it
   */
  of(term: Node, scope: TermScope, isDomain = false): InputRead[] {
    const assured = new Set<readonly RegoExpression[]>();
    for (let at: TermScope | null = scope; at !== null; at = at.caller) for (const body of at.bodies) assured.add(body);
    const walk = new Walk(this.#origins, assured, isDomain ? term : null);
    walk.term(term, scope, isDomain ? "domain" : "value");
    return walk.reads.filter((read) => read.kind !== "input" || !this.#origins.isTestedIn(read.term, read.scope, scope));
  }
}

/** One question, with what was visited for it. */
class Walk {
  readonly reads: InputRead[] = [];
  readonly #origins: Origins;
  /** Bodies that hold where the term is used: what they go through isn't null. */
  readonly #assured: ReadonlySet<readonly RegoExpression[]>;
  readonly #visited: Readonly<Record<Use, Set<unknown>>> = { value: new Set(), domain: new Set(), member: new Set() };
  #steps = 0;

  /** A term whose own iteration is asked about. */
  readonly #domain: Node | null;

  constructor(origins: Origins, assured: ReadonlySet<readonly RegoExpression[]>, domain: Node | null) {
    this.#origins = origins;
    this.#assured = assured;
    this.#domain = domain;
  }

  term(node: Node, scope: TermScope, use: Use = "value"): void {
    const { type, value } = node;
    if (++this.#steps > STEPS_MAX) {
      if (this.#steps === STEPS_MAX + 1) this.#add(node, scope, "opaque");
      return;
    }
    switch (type) {
      case "string":
      case "number":
      case "boolean":
      case "null":
        return;
      case "var":
      case "ref":
        if (this.#isAssured(node, scope)) return;
        this.#name(node, type === "var" ? [node] : (value as Node[]), scope, use);
        return;
      case "call":
        if (!this.#origins.isTestedHere(node, scope)) this.#call(value as Node[], scope, use);
        return;
      case "arraycomprehension":
      case "setcomprehension":
      case "objectcomprehension": {
        const { body, ...terms } = value as Record<string, Node> & { body: RegoExpression[] };
        const inside = { ...scope, bodies: [...scope.bodies, body] };
        this.#body(body, inside);
        for (const one of Object.values(terms as Record<string, Node>)) this.term(one, inside);
        return;
      }
      default:
        for (const one of nodesIn(value)) this.term(one, scope);
    }
  }

  #add(term: Node, scope: TermScope, kind: InputRead["kind"], use: Use = "value"): void {
    this.reads.push({ term, scope, kind, isWhole: use === "value" });
  }

  /** A type test or an iteration of it holds where it is used. */
  #isAssured(node: Node, scope: TermScope): boolean {
    if (this.#origins.isTestedHere(node, scope)) return true;
    if (node === this.#domain) return false;
    const bodies = scope.bodies.filter((body) => this.#assured.has(body));
    return this.#origins.isIterated(node, { ...scope, bodies });
  }

  #name(node: Node, terms: readonly Node[], scope: TermScope, use: Use): void {
    const [head, ...steps] = terms;
    if (head === undefined) return;
    for (const step of steps) if (step.type === "ref" || step.type === "call") this.term(step, scope);
    const ofHead: Use = steps.length === 0 ? use : "member";
    if (head.type !== "var") {
      this.term(head, scope, ofHead);
      return;
    }
    const name = String(head.value);
    if (name.startsWith("$")) return;
    this.#indexed(node, terms, scope);
    const isInput = this.#origins.of(node, scope).length > 0;
    const imported = scope.names.get(name)?.[0]?.value;
    const found = name === "data" || imported !== "input" ? this.#origins.definitions(terms, scope) : { definitions: [], steps: [] };
    const arg = scope.args.get(name);
    const isLocal = arg === undefined && name !== "input" && this.#local(name, scope, ofHead, found.definitions.length > 0);
    if (name === "input" || (isInput && steps.length > 0) || (!isLocal && imported === "input")) this.#add(node, scope, "input", use);
    if (name === "input" || isLocal || (arg === undefined && imported === "input")) return;
    if (arg !== undefined) {
      this.term(arg.term, arg.scope, ofHead);
      return;
    }
    if (found.definitions.length === 0) this.#add(node, scope, "opaque");
    else if (!isTotal(found.definitions.map(({ rule }) => rule))) this.#add(node, scope, "partial");
    for (const one of found.definitions) this.#definition(one.rule, one.scope, found.steps.length === 0 ? use : "member");
  }

  /** A step that is no name: what it leads to may be missing, and the list may be. */
  #indexed(node: Node, terms: readonly Node[], scope: TermScope): void {
    const at = terms.findIndex((step, i) => i > 0 && !isText(step));
    const step = terms[at];
    if (step === undefined) return;
    const before = terms.slice(0, at);
    this.term(at === 1 ? (before[0] as Node) : { type: "ref", value: before }, scope, "domain");
    const isVariable = step.type === "var";
    const isFree = isVariable && (String(step.value).startsWith("$") || this.#isIndex(String(step.value), scope));
    if (isVariable && !isFree) this.term(step, scope);
    if (!isFree && !this.#isSet(before, scope)) this.#add(node, scope, "partial");
  }

  #call(terms: Node[], scope: TermScope, use: Use): void {
    const [head, ...args] = terms;
    const called = calledBy(terms) ?? "";
    const call: Node = { type: "call", value: terms };
    const isMember = called === "object.get" && this.#origins.of(call, scope).length > 0;
    if (isMember) this.#add(call, scope, "input", use);
    for (const arg of args) this.term(arg, scope, isMember ? "member" : "value");
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    if (definitions.length > 0) {
      if (!isTotal(definitions.map(({ rule }) => rule))) this.#add(call, scope, "partial");
      for (const { rule, scope: inside } of definitions) this.#definition(rule, inside, use);
    } else if (PARTIAL.has(called) && args[1]?.type !== "number") this.#add(call, scope, "partial");
  }

  #definition(rule: Rule, scope: TermScope, use: Use): void {
    // A function is looked at for each of its calls; nothing in Rego calls itself.
    if (scope.args.size === 0 && !this.#isNew(rule, use)) return;
    if (rule.head.args?.some(({ type }) => type !== "var") === true) {
      this.#add({ type: "ref", value: rule.head.ref }, scope, "opaque");
    }
    this.#body(rule.body ?? [], scope);
    for (const one of [rule.head.key, rule.head.value]) if (one !== undefined) this.term(one, scope, use);
  }

  #isNew(visited: unknown, use: Use): boolean {
    const already = this.#visited[use].has(visited);
    this.#visited[use].add(visited);
    return !already;
  }

  #body(body: readonly RegoExpression[], scope: TermScope): void {
    for (const expression of body) this.#expression(expression, scope);
  }

  #expression(expression: RegoExpression, scope: TermScope): void {
    const { terms } = expression;
    if (expression.with !== undefined) this.#add({ type: "var", value: "with" }, scope, "opaque");
    if (Array.isArray(terms)) {
      this.#call(terms as Node[], scope, "value");
      return;
    }
    const { domain, body } = (terms ?? {}) as { domain?: Node; body?: RegoExpression[] };
    if (domain !== undefined && body !== undefined) {
      this.term(domain, scope, "domain");
      this.#body(body, { ...scope, bodies: [...scope.bodies, body] });
      return;
    }
    const symbols = symbolsOf(terms);
    for (const { value } of symbols) if (Array.isArray(value)) this.term((value as Node[]).at(-1) ?? {}, scope, "domain");
    if (symbols.length === 0) this.term(terms as Node, scope);
  }

  /**
   * Follows what gives a local variable its value; false if nothing does.
   * @param isRule whether a rule has the name too: the variable has to be declared, then
   */
  #local(name: string, scope: TermScope, use: Use, isRule: boolean): boolean {
    for (const [i, body] of [...scope.bodies.entries()].reverse()) {
      const around = { ...scope, bodies: scope.bodies.slice(0, i + 1) };
      const domainUse: Use = this.#assured.has(body) ? "member" : "domain";
      const giving = body.filter((expression) => declares(expression, name) || (!isRule && unifies(expression, name)));
      for (const expression of giving) {
        if (!this.#isNew(expression, use)) continue;
        const { terms } = expression;
        // What an iteration that holds goes through isn't null.
        for (const { value } of symbolsOf(terms)) if (Array.isArray(value)) this.term((value as Node[]).at(-1) ?? {}, around, domainUse);
        const { domain } = (terms ?? {}) as { domain?: Node };
        if (domain !== undefined) this.term(domain, around, domainUse);
        // Of `x := y` the value is y's own.
        if (Array.isArray(terms)) for (const one of (terms as Node[]).slice(1)) if (!isVar(one, name)) this.term(one, around, use);
      }
      if (giving.length > 0) return true;
      const indexed = isRule ? [] : body.filter((expression) => isIndexIn(expression, name));
      for (const expression of indexed) if (this.#isNew(expression, use)) this.#expression(expression, around);
      if (indexed.length > 0) return true;
    }
    return false;
  }

  /** Returns true if a variable only iterates over the collection that it indexes, as `i` does by `some i` and `xs[i]`. */
  #isIndex(name: string, scope: TermScope): boolean {
    if (scope.args.has(name)) return false;
    const bodies = scope.bodies.flat();
    return !bodies.some((one) => unifies(one, name)) && bodies.some(({ terms }) => symbolsOf(terms).some((symbol) => isVar(symbol, name)));
  }

  /** Membership: nothing of it is undefined but what isn't in the set. */
  #isSet(terms: readonly Node[], scope: TermScope): boolean {
    const { definitions } = this.#origins.definitions(terms, scope);
    return definitions.length > 0 && definitions.every(({ rule: { head } }) => head.key !== undefined && head.value === undefined);
  }
}

/** Returns true if a name has a value for every input: it is a set, has a default, or a definition without conditions. */
export function isTotal(rules: readonly Rule[]): boolean {
  return rules.some(({ head, body, default: isDefault }) => {
    if (head.args?.some(({ type }) => type !== "var") === true) return false;
    return isDefault === true || head.key !== undefined || body === undefined || body.every(isTrue);
  });
}

function isTrue({ terms, negated }: RegoExpression): boolean {
  const { type, value } = (terms ?? {}) as Node;
  return negated !== true && type === "boolean" && value === true;
}

function isVar(node: Node, name: string): boolean {
  return node.type === "var" && node.value === name;
}

/** Returns true if an expression declares a variable and gives it its value. */
function declares({ terms }: RegoExpression, name: string): boolean {
  const { domain, key, value } = (Array.isArray(terms) ? {} : (terms ?? {})) as { domain?: Node; key?: Node | null; value?: Node };
  if (domain !== undefined) return mentions([key, value], name);
  if (Array.isArray(terms)) return calledBy(terms) === "assign" && mentions((terms as Node[])[1], name);
  return symbolsOf(terms).some(({ value: of }) => Array.isArray(of) && mentions((of as Node[]).slice(1, -1), name));
}

/** Returns true if an expression may give a variable its value without declaring it. */
function unifies({ terms }: RegoExpression, name: string): boolean {
  return Array.isArray(terms) && UNIFYING.has(calledBy(terms) ?? "") && mentions((terms as Node[]).slice(1), name);
}

function isIndexIn(node: unknown, name: string): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (Array.isArray(node)) return node.some((one) => isIndexIn(one, name));
  const { type, value } = node as Node;
  if (type === "ref" && (value as Node[]).slice(1).some((step) => isVar(step, name))) return true;
  return Object.values(node).some((one) => isIndexIn(one, name));
}

function mentions(node: unknown, name: string): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (Array.isArray(node)) return node.some((one) => mentions(one, name));
  return isVar(node, name) || Object.values(node).some((one) => mentions(one, name));
}

/** The nodes of an array, a set, an object or a text with values in it. */
function nodesIn(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  if (typeof value !== "object" || value === null) return [];
  if (typeof (value as Node).type === "string") return [value];
  return Object.entries(value).flatMap(([key, member]) => (key === "location" ? [] : nodesIn(member)));
}
