/**
 * Rejects `deny` and `flag` rules that may say nothing where a value is unknown: null makes a comparison false, or a builtin undefined,
 * the rule doesn't apply, and the action goes on. A rule says the good case and negates it, or tests the type of what it compares.
 * Anything that can't be shown to be known is rejected, too: a form that this doesn't follow is no way round it.
 */
import type { JsonSchema } from "../contract/schema.js";
import type { ParsedModule } from "./conventions.js";
import { DEFINED, Dependence, isTotal, type InputRead } from "./dependence.js";
import { Origins, symbolsOf, type RuleDefinition, type TermScope } from "./origins.js";
import { calledBy, nameOf, regoTree, type RegoExpression, type Node, type RegoTree, type Rule } from "./rego_tree.js";
import type { SourceNote } from "./source.js";
import { iteration, mayBeMissing, mayBeNull, mayHoldNull, placeOf, testOf, written } from "./terms.js";

const RULES = "rules";
const NARROWS: ReadonlySet<string> = new Set(["deny", "flag"]);

/** Value of an expression with which the rule applies: true, or (below `not`) not true. */
type NeededValue = "true" | "untrue";
type Side = "left" | "right";
type Place = RegoExpression["location"] | null;

/**
 * Sides that have to be known for a comparison not to keep the rule from applying. `either`: one of both will do. Rego orders null
 * before every other value, so a comparison with null is defined.
 */
const COMPARISONS: Readonly<Record<string, Readonly<Record<NeededValue, readonly Side[] | "either">>>> = {
  equal: { true: ["left", "right"], untrue: "either" },
  eq: { true: ["left", "right"], untrue: "either" },
  neq: { true: "either", untrue: ["left", "right"] },
  lt: { true: ["right"], untrue: ["left"] },
  lte: { true: ["right"], untrue: ["left"] },
  gt: { true: ["left"], untrue: ["right"] },
  gte: { true: ["left"], untrue: ["right"] },
  "internal.member_2": { true: ["left", "right"], untrue: "either" },
};
const SIGNS: Readonly<Record<string, string>> = { equal: "==", eq: "=", neq: "!=", lt: "<", lte: "<=", gt: ">", gte: ">=" };

/** @param input schema of the policy's input, which says what may be null */
export function silentRules(modules: readonly ParsedModule[], input: JsonSchema): SourceNote[] {
  const silence = new Silence(regoTree(modules), input);
  return silence.notes;
}

class Silence {
  readonly #input: JsonSchema;
  readonly #origins: Origins;
  readonly #dependence: Dependence;
  readonly #found = new Map<string, SourceNote>();
  /** Definitions that were followed, by what is wanted of them: they may be reached by many ways. */
  readonly #followed = new Set<string>();
  #effect = "";

  constructor(tree: RegoTree, input: JsonSchema) {
    this.#input = input;
    this.#origins = new Origins(tree);
    this.#dependence = new Dependence(this.#origins);
    for (const { file, path, names, rules } of tree.files) {
      if (path[0] !== RULES || path.length !== 2) continue;
      for (const rule of rules) {
        if (!NARROWS.has(nameOf(rule))) continue;
        this.#effect = nameOf(rule);
        this.#rule(file, rule, { package: path, names, bodies: [], args: new Map(), caller: null });
      }
    }
  }

  get notes(): SourceNote[] {
    return [...this.#found.values()].sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
  }

  #rule(file: string, rule: Rule, around: TermScope): void {
    for (let branch: Rule | undefined = rule; branch !== undefined; branch = branch.else) {
      const scope = { ...around, bodies: [...around.bodies, branch.body ?? []] };
      this.#body(file, branch.body ?? [], scope, "true");
      const { key } = branch.head;
      if (key !== undefined) this.#given(file, key, scope, placeOf(key));
    }
  }

  /** A param that is undefined takes the whole reason away; one that is null doesn't. */
  #given(file: string, key: Node, scope: TermScope, at: Place): void {
    const missing = this.#undefinedIn(key, scope);
    if (missing !== null) this.#silent(file, missing, `the reason's \`${written(missing)}\``, scope, at);
  }

  #body(file: string, body: readonly RegoExpression[], scope: TermScope, wanted: NeededValue): void {
    for (const expression of body) {
      const isNegated = expression.negated === true;
      if (isNegated && wanted === "true") this.#hoisted(file, expression, scope);
      this.#expression(file, expression, scope, isNegated ? opposite(wanted) : wanted);
    }
  }

  /** Arguments of a call below `not` are worked out before it: one that is undefined ends the body, not the negation. */
  #hoisted(file: string, { terms, location }: RegoExpression, scope: TermScope): void {
    if (!Array.isArray(terms)) return;
    const at = location ?? placeOf((terms as Node[])[0]);
    for (const arg of (terms as Node[]).slice(1)) {
      this.#terms(file, arg, scope, "true", at);
      const isName = arg.type === "var" || arg.type === "ref";
      const missing = isName && COMPARISONS[calledBy(terms) ?? ""] === undefined ? this.#partial(arg, scope) : null;
      if (missing !== null) this.#silent(file, missing, `\`${written(arg)}\``, scope, at);
    }
  }

  #expression(file: string, expression: RegoExpression, scope: TermScope, wanted: NeededValue): void {
    const { terms, location } = expression;
    if (expression.with !== undefined) this.#silent(file, { type: "var", value: "input" }, "`with`", scope, location ?? null);
    if (Array.isArray(terms)) {
      this.#call(file, terms as Node[], scope, wanted, location ?? placeOf((terms as Node[])[0]));
      return;
    }
    for (const { value } of symbolsOf(terms)) {
      if (Array.isArray(value)) this.#iterated(file, (value as Node[]).at(-1), scope, wanted, location ?? null);
    }
    const { domain, body, key, value } = (terms ?? {}) as { domain?: Node; body?: RegoExpression[]; key?: Node | null; value?: Node };
    if (domain !== undefined && body !== undefined && value !== undefined) {
      this.#iterated(file, domain, scope, wanted, location ?? null);
      this.#body(file, body, { ...scope, bodies: [...scope.bodies, [iteration(key ?? null, value, domain)], body] }, wanted);
      return;
    }
    const term = terms as Node | undefined;
    if (term?.type === "var" || term?.type === "ref") this.#asked(file, term, scope, wanted, location ?? placeOf(term));
  }

  /** A list that is null has no elements and can't be gone through; nor can one whose elements rest on what is unknown. */
  #iterated(file: string, domain: Node | undefined, scope: TermScope, wanted: NeededValue, at: Place): void {
    if (domain === undefined) return;
    this.#terms(file, domain, scope, wanted, at);
    const sets = this.#definitionsOf(domain, scope);
    if (sets.length > 0 && sets.every(({ rule: { head } }) => head.key !== undefined && head.value === undefined)) {
      this.#follow(sets, wanted);
      for (const { rule, file: of, scope: inside } of sets) {
        if (wanted === "true" && rule.head.key !== undefined) this.#given(of, rule.head.key, inside, placeOf(rule.head.key));
      }
      return;
    }
    const missing = wanted === "true" ? this.#missing(domain, scope, wanted, true) : null;
    if (missing !== null)
      this.#silent(file, this.#named(domain, missing, scope, wanted), `going through \`${written(domain)}\``, scope, at);
  }

  /** A value by itself, where null counts as true, or a rule that is asked. */
  #asked(file: string, term: Node, scope: TermScope, wanted: NeededValue, at: Place): void {
    const { definitions, steps } = this.#origins.definitions(term.type === "var" ? [term] : (term.value as Node[]), scope);
    const isAsked = definitions.length > 0 && steps.length === 0 && isCondition(definitions);
    if (isAsked) {
      this.#follow(definitions, wanted);
      return;
    }
    const isValue = this.#origins.of(term, scope).length > 0;
    // A value of the input by itself applies when it is null.
    const missing = wanted === "true" && isValue ? this.#partial(term, scope) : this.#missing(term, scope, wanted);
    if (missing !== null) this.#silent(file, this.#named(term, missing, scope, wanted), `\`${written(term)}\``, scope, at);
  }

  #definitionsOf(term: Node, scope: TermScope): RuleDefinition[] {
    if (term.type !== "var" && term.type !== "ref") return [];
    const { definitions, steps } = this.#origins.definitions(term.type === "var" ? [term] : (term.value as Node[]), scope);
    return steps.length === 0 ? definitions : [];
  }

  #follow(definitions: readonly RuleDefinition[], wanted: NeededValue): void {
    for (const { rule, file, scope } of definitions) {
      const args = [...scope.args].map(([name, { term, scope: of }]) => [name, written(term), this.#isKnown(term, of, wanted)]);
      const key = JSON.stringify([file, rule.location, wanted, this.#effect, args]);
      if (this.#followed.has(key)) continue;
      this.#followed.add(key);
      if (rule.default !== true) this.#body(file, rule.body ?? [], scope, wanted);
    }
  }

  #call(file: string, terms: Node[], scope: TermScope, wanted: NeededValue, at: Place): void {
    const called = calledBy(terms) ?? "";
    const [head, ...args] = terms;
    for (const arg of args) this.#terms(file, arg, scope, wanted, at);
    const [left, right] = args;
    const comparison = COMPARISONS[called];
    if (called === "assign") {
      const missing = right === undefined || wanted === "untrue" ? null : this.#partial(right, scope);
      if (missing !== null) this.#silent(file, missing, `\`${written(missing)}\``, scope, at);
      return;
    }
    if (comparison !== undefined && left !== undefined && right !== undefined) {
      const binds = called === "eq" && (this.#isFree(left, scope) || this.#isFree(right, scope));
      if (!binds) this.#compared(file, called, [left, right], comparison[wanted], wanted, scope, at);
      return;
    }
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    const call: Node = { type: "call", value: terms };
    if (definitions.length > 0 && isCondition(definitions)) this.#follow(definitions, wanted);
    else if (definitions.length > 0 || (wanted === "true" && !DEFINED.has(called)) || called === "internal.member_3") {
      const missing = this.#missing(call, scope, wanted);
      if (missing !== null) this.#silent(file, this.#named(call, missing, scope, wanted), `\`${written(call)}\``, scope, at);
    }
  }

  /** Returns true if `=` gives a variable its only value. */
  #isFree({ type, value }: Node, scope: TermScope): boolean {
    if (type !== "var") return false;
    const name = String(value);
    if (name.startsWith("$")) return true;
    if (name === "input" || scope.args.has(name) || scope.names.has(name)) return false;
    if (this.#origins.definitions([{ type, value }], scope).definitions.length > 0) return false;
    const giving = scope.bodies.flat().filter(({ terms, negated }) => {
      const [, left, right] = Array.isArray(terms) ? (terms as Node[]) : [];
      const isThis = (node: Node | undefined): boolean => node?.type === "var" && node.value === value;
      const isMember = symbolsOf(terms).some(({ value: of }) => Array.isArray(of) && (of as Node[]).slice(1, -1).some(isThis));
      return isMember || (negated !== true && ["eq", "assign"].includes(calledBy(terms) ?? "") && (isThis(left) || isThis(right)));
    });
    return giving.length < 2;
  }

  #compared(
    file: string,
    called: string,
    [left, right]: [Node, Node],
    needed: readonly Side[] | "either",
    wanted: NeededValue,
    scope: TermScope,
    at: Place,
  ): void {
    // A comparison with null tests for it.
    if (left.type === "null" || right.type === "null") return;
    const isList = called === "internal.member_2" && wanted === "untrue" && this.#isList(right, scope);
    const missing = {
      left: this.#missing(left, scope, wanted),
      // Null isn't in a list of the input, nor in one that is null.
      right: isList ? null : this.#missing(right, scope, wanted),
    };
    const side =
      needed === "either"
        ? missing.left !== null && missing.right !== null
          ? "left"
          : undefined
        : needed.find((one) => missing[one] !== null);
    const unknown = side === undefined ? null : missing[side];
    if (side === undefined || unknown === null) return;
    const sign = SIGNS[called] ?? "in";
    const of = side === "left" ? left : right;
    this.#silent(file, this.#named(of, unknown, scope, wanted), `\`${written(left)} ${sign} ${written(right)}\``, scope, at);
  }

  /** Returns true if a term is exactly a list of the input, by whatever name. */
  #isList(term: Node, scope: TermScope): boolean {
    const origins = this.#origins.of(term, scope);
    return origins.length > 0 && this.#dependence.of(term, scope).every(({ kind }) => kind !== "opaque") && this.#isAlias(term, scope);
  }

  #isAlias(term: Node, scope: TermScope): boolean {
    if (term.type !== "var" && term.type !== "ref") return term.type === "call";
    return this.#definitionsOf(term, scope).every(({ rule, scope: of }) => {
      const { value } = rule.head;
      return value !== undefined && this.#isAlias(value, of);
    });
  }

  /** Calls inside a term: one that is undefined keeps a body from holding, whatever it is compared with. */
  #terms(file: string, term: Node, scope: TermScope, wanted: NeededValue, at: Place): void {
    if (wanted === "untrue") return;
    if (term.type === "call") {
      const terms = term.value as Node[];
      if (COMPARISONS[calledBy(terms) ?? ""] === undefined) this.#call(file, terms, scope, wanted, placeOf(terms[0]) ?? at);
    } else if (term.type === "array" || term.type === "set") {
      for (const one of term.value as Node[]) this.#terms(file, one, scope, wanted, at);
    } else if (term.type === "object") {
      for (const one of (term.value as Node[][]).flat()) this.#terms(file, one, scope, wanted, at);
    }
  }

  #isKnown(term: Node, scope: TermScope, wanted: NeededValue): boolean {
    return this.#missing(term, scope, wanted) === null;
  }

  /**
   * Finds the first thing that a term rests on and that may be unknown. Returns null if all of it is known.
   * @param wanted untrue: what is undefined does no harm, what is null does
   */
  #missing(term: Node, scope: TermScope, wanted: NeededValue, isDomain = false): Node | null {
    // A builtin with an argument that is null is undefined.
    const isStrict = term.type === "call" && wanted === "untrue" && this.#isUndefinedForNull(term, scope);
    const reads = isStrict ? [] : this.#dependence.of(term, scope, isDomain);
    return reads.find((read) => this.#isUnknown(read, wanted))?.term ?? null;
  }

  #isUnknown({ term, scope, kind, isWhole }: InputRead, wanted: NeededValue): boolean {
    if (kind === "opaque") return true;
    if (kind === "partial") return wanted === "true";
    const origins = this.#origins.of(term, scope);
    return (
      origins.length === 0 || origins.some((origin) => mayBeNull(origin, this.#input) || (isWhole && mayHoldNull(origin, this.#input)))
    );
  }

  /** Returns true if a builtin is called with plain values of the input alone, any of which makes it undefined when null. */
  #isUndefinedForNull({ value }: Node, scope: TermScope): boolean {
    const [head, ...args] = value as Node[];
    const called = calledBy(value) ?? "";
    if (DEFINED.has(called) || COMPARISONS[called] !== undefined) return false;
    if (this.#origins.definitions((head?.value ?? []) as Node[], scope, args).definitions.length > 0) return false;
    return args.every((arg) => {
      if (arg.type === "call") return this.#isUndefinedForNull(arg, scope);
      if (arg.type === "var" || arg.type === "ref") return this.#origins.of(arg, scope).length > 0;
      return this.#isKnown(arg, scope, "untrue");
    });
  }

  /** Finds the first thing that leaves a term undefined, whatever the input. Returns null without one. */
  #partial(term: Node, scope: TermScope): Node | null {
    return this.#dependence.of(term, scope).find(({ kind }) => kind !== "input")?.term ?? null;
  }

  /** Finds the first part of a reason that may be undefined. Returns null if all parts are defined. */
  #undefinedIn(term: Node, scope: TermScope): Node | null {
    const { type, value } = term;
    if (type === "call") return this.#undefinedCall(term, scope);
    if (type === "array" || type === "set" || type === "object") {
      return first((value as (Node | Node[])[]).flat().map((one) => this.#undefinedIn(one, scope)));
    }
    if (type !== "var" && type !== "ref") return null;
    if (this.#origins.isTestedHere(term, scope)) return null;
    const definitions = this.#definitionsOf(term, scope);
    if (definitions.length > 0) {
      if (!isTotal(definitions.map(({ rule }) => rule))) return term;
      const values = definitions.map(({ rule, scope: of }) => [rule.head.value ?? rule.head.key, of] as const);
      return values.some(([of, inside]) => of !== undefined && this.#undefinedIn(of, inside) !== null) ? term : null;
    }
    const origins = this.#origins.of(term, scope);
    if (origins.length === 0) return this.#partial(term, scope);
    return origins.some((origin) => mayBeMissing(origin, this.#input)) ? term : this.#partial(term, scope);
  }

  #undefinedCall(term: Node, scope: TermScope): Node | null {
    const [head, ...args] = term.value as Node[];
    const called = calledBy(term.value) ?? "";
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    const isLenient = DEFINED.has(called) || called.split(".").at(-1) === "because";
    if (definitions.length === 0 && called === "object.get") return args[0] === undefined ? null : this.#undefinedIn(args[0], scope);
    if (definitions.length === 0 && isLenient) return first(args.map((arg) => this.#undefinedIn(arg, scope)));
    const missing = this.#missing(term, scope, "true");
    return missing === null ? null : this.#named(term, missing, scope, "true");
  }

  /** Returns the missing term under the name that its author wrote, and not under what that stands for. */
  #named(term: Node, missing: Node, scope: TermScope, wanted: NeededValue): Node {
    if (term.type === "var" || term.type === "ref") return term;
    const { type, value } = term;
    const parts =
      type === "call" ? (value as Node[]).slice(1) : ["array", "set", "object"].includes(type ?? "") ? (value as Node[]).flat() : [];
    const part = parts.find((one) => this.#missing(one, scope, wanted) !== null);
    return part === undefined ? missing : this.#named(part, missing, scope, wanted);
  }

  #silent(file: string, unknown: Node, what: string, scope: TermScope, at: Place): void {
    const [line, column] = [at?.row ?? null, at?.col];
    const test = `${testOf(this.#origins.of(unknown, scope), this.#input)}(${written(unknown)})`;
    const key = `${file}:${line ?? ""}`;
    if (this.#found.has(key)) return;
    this.#found.set(key, {
      severity: "error",
      file,
      line,
      ...(column === undefined ? {} : { column }),
      message: `${what} keeps a \`${this.#effect}\` from applying where \`${written(unknown)}\` is unknown (null, or undefined): the action goes on`,
      hint: `say the good case and negate it: \`not good\`, with \`good if { ${test}; … }\`; where unknown may go on, test it here: \`${test}\`; give what may be undefined a default, as in \`object.get(…, null)\``,
    });
  }
}

/** Returns true if definitions are bodies that hold or don't, and nothing else. */
function isCondition(definitions: readonly RuleDefinition[]): boolean {
  return definitions.every(({ rule }) => {
    const { args, key, value } = rule.head;
    const isArgs = args?.every(({ type }) => type === "var") !== false;
    const isValue = value === undefined || (value.type === "boolean" && value.value === (rule.default !== true));
    return isArgs && key === undefined && isValue && rule.else === undefined;
  });
}

function first(nodes: readonly (Node | null)[]): Node | null {
  return nodes.find((node) => node !== null) ?? null;
}

function opposite(wanted: NeededValue): NeededValue {
  return wanted === "true" ? "untrue" : "true";
}
