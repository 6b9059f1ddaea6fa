/**
 * Rejects `deny` and `flag` rules that say nothing where a value is unknown: null makes a comparison false, or a builtin undefined, the
 * rule doesn't apply, and the action goes on. A rule says the good case and negates it, or tests the type of what it compares.
 */
import type { JsonSchema } from "../contract/schema.js";
import type { ParsedModule } from "./conventions.js";
import { Origins, symbolsOf, type Scope } from "./origins.js";
import { calledBy, nameOf, regoTree, type Expression, type Node, type RegoTree, type Rule } from "./rego_tree.js";
import type { SourceNote } from "./source.js";
import { binds, iteration, mayBeNull, placeOf, testOf, written } from "./terms.js";

const RULES = "rules";
const NARROWS: ReadonlySet<string> = new Set(["deny", "flag"]);

/** What an expression has to be for the rule to apply: true, or (below `not`) not true. */
type Wanted = "true" | "untrue";
type Side = "left" | "right";

/**
 * Sides that have to be known for a comparison not to keep the rule from applying. `either`: one of both will do. Rego orders null
 * before every other value, so a comparison with null is defined.
 */
const COMPARISONS: Readonly<Record<string, Readonly<Record<Wanted, readonly Side[] | "either">>>> = {
  equal: { true: ["left", "right"], untrue: "either" },
  eq: { true: ["left", "right"], untrue: "either" },
  neq: { true: "either", untrue: ["left", "right"] },
  lt: { true: ["right"], untrue: ["left"] },
  lte: { true: ["right"], untrue: ["left"] },
  gt: { true: ["left"], untrue: ["right"] },
  gte: { true: ["left"], untrue: ["right"] },
  "internal.member_2": { true: ["left", "right"], untrue: [] },
};
const SIGNS: Readonly<Record<string, string>> = { equal: "==", eq: "==", neq: "!=", lt: "<", lte: "<=", gt: ">", gte: ">=" };
/** Builtins that are defined for null. */
const DEFINED: ReadonlySet<string> = new Set([
  ...["is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"],
  ...["object.get", "sprintf", "json.marshal", "type_name", "print", "rego.metadata.rule", "rego.metadata.chain", "assign"],
]);

/** @param input schema of the policy's input, which says what may be null */
export function silentRules(modules: readonly ParsedModule[], input: JsonSchema): SourceNote[] {
  const silence = new Silence(regoTree(modules), input);
  return silence.notes;
}

class Silence {
  readonly #input: JsonSchema;
  readonly #origins: Origins;
  readonly #found = new Map<string, SourceNote>();
  /** Definitions that were followed, by what is wanted of them: they may be reached by many ways. */
  readonly #followed = new Set<string>();
  #effect = "";

  constructor(tree: RegoTree, input: JsonSchema) {
    this.#input = input;
    this.#origins = new Origins(tree);
    for (const { file, path, names, rules } of tree.files) {
      if (path[0] !== RULES || path.length !== 2) continue;
      for (const rule of rules) {
        if (!NARROWS.has(nameOf(rule))) continue;
        this.#effect = nameOf(rule);
        this.#rule(file, rule, { package: path, names, bodies: [], args: new Map(), caller: null }, "true");
      }
    }
  }

  get notes(): SourceNote[] {
    return [...this.#found.values()].sort((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1));
  }

  #rule(file: string, rule: Rule, around: Scope, wanted: Wanted): void {
    for (let branch: Rule | undefined = rule; branch !== undefined; branch = branch.else) {
      const scope = { ...around, bodies: [...around.bodies, branch.body ?? []] };
      this.#body(file, branch.body ?? [], scope, wanted);
      // A param that is undefined takes the whole reason away.
      const { key } = branch.head;
      if (key !== undefined) this.#terms(file, key, scope, wanted, placeOf(key));
    }
  }

  #body(file: string, body: readonly Expression[], scope: Scope, wanted: Wanted): void {
    for (const expression of body) {
      const isNegated = expression.negated === true;
      this.#expression(file, expression, scope, isNegated ? opposite(wanted) : wanted);
    }
  }

  #expression(file: string, { terms, location }: Expression, scope: Scope, wanted: Wanted): void {
    if (Array.isArray(terms)) {
      this.#call(file, terms as Node[], scope, wanted, location ?? placeOf((terms as Node[])[0]));
      return;
    }
    for (const { value } of symbolsOf(terms)) {
      if (Array.isArray(value)) this.#iterated(file, (value as Node[]).at(-1), scope, wanted, location ?? null);
    }
    const { domain, body, key, value } = (terms ?? {}) as { domain?: Node; body?: Expression[]; key?: Node | null; value?: Node };
    if (domain !== undefined && body !== undefined && value !== undefined) {
      this.#iterated(file, domain, scope, wanted, location ?? null);
      this.#body(file, body, { ...scope, bodies: [...scope.bodies, [iteration(key ?? null, value, domain)], body] }, wanted);
      return;
    }
    const term = terms as Node | undefined;
    if (term?.type === "var" || term?.type === "ref") this.#asked(file, term, scope, wanted, location ?? placeOf(term));
  }

  /** A list that is null has no elements and can't be gone through. */
  #iterated(file: string, domain: Node | undefined, scope: Scope, wanted: Wanted, at: Expression["location"] | null): void {
    if (domain === undefined) return;
    this.#terms(file, domain, scope, wanted, at);
    if (wanted === "true" && !this.#isKnown(domain, scope)) this.#silent(file, domain, `going through \`${written(domain)}\``, scope, at);
  }

  /** A value by itself, where null counts as true, or a rule that is asked. */
  #asked(file: string, term: Node, scope: Scope, wanted: Wanted, at: Expression["location"] | null): void {
    const { definitions } = this.#origins.definitions(term.type === "var" ? [term] : (term.value as Node[]), scope);
    this.#follow(definitions, wanted);
    if (wanted === "untrue" && !this.#isKnown(term, scope)) this.#silent(file, term, `\`${written(term)}\``, scope, at);
  }

  #follow(definitions: ReturnType<Origins["definitions"]>["definitions"], wanted: Wanted): void {
    for (const { rule, file, scope } of definitions) {
      const args = [...scope.args].map(([name, { term, scope: of }]) => [name, written(term), this.#isKnown(term, of)]);
      const key = JSON.stringify([file, rule.location, wanted, this.#effect, args]);
      if (this.#followed.has(key)) continue;
      this.#followed.add(key);
      this.#body(file, rule.body ?? [], scope, wanted);
    }
  }

  #call(file: string, terms: Node[], scope: Scope, wanted: Wanted, at: Expression["location"] | null): void {
    const called = calledBy(terms) ?? "";
    const [head, ...args] = terms;
    for (const arg of args) this.#terms(file, arg, scope, wanted, at);
    const [left, right] = args;
    const comparison = COMPARISONS[called];
    if (comparison !== undefined && left !== undefined && right !== undefined) {
      // `=` may give a variable its value.
      if (called === "eq" && (binds(left) || binds(right))) return;
      this.#compared(file, called, [left, right], comparison[wanted], scope, at);
      return;
    }
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    if (definitions.length > 0) this.#follow(definitions, wanted);
    else this.#builtin(file, called, terms, scope, wanted, at);
  }

  #compared(
    file: string,
    called: string,
    [left, right]: [Node, Node],
    needed: readonly Side[] | "either",
    scope: Scope,
    at: Expression["location"] | null,
  ): void {
    // A comparison with null tests for it.
    if (left.type === "null" || right.type === "null") return;
    const unknown = { left: !this.#isKnown(left, scope), right: !this.#isKnown(right, scope) };
    const side = needed === "either" ? (unknown.left && unknown.right ? "left" : undefined) : needed.find((one) => unknown[one]);
    if (side === undefined) return;
    const sign = SIGNS[called] ?? "in";
    this.#silent(file, side === "left" ? left : right, `\`${written(left)} ${sign} ${written(right)}\``, scope, at);
  }

  #builtin(file: string, called: string, terms: Node[], scope: Scope, wanted: Wanted, at: Expression["location"] | null): void {
    if (wanted === "untrue" || DEFINED.has(called)) return;
    const unknown = terms.slice(1).find((arg) => !this.#isKnown(arg, scope));
    if (unknown !== undefined) this.#silent(file, unknown, `\`${written({ type: "call", value: terms })}\``, scope, at);
  }

  /** Calls inside a term. */
  #terms(file: string, term: Node, scope: Scope, wanted: Wanted, at: Expression["location"] | null): void {
    if (term.type === "call") {
      const terms = term.value as Node[];
      if (COMPARISONS[calledBy(terms) ?? ""] === undefined) this.#call(file, terms, scope, wanted, placeOf(terms[0]) ?? at);
    } else if (term.type === "array" || term.type === "set") {
      for (const one of term.value as Node[]) this.#terms(file, one, scope, wanted, at);
    } else if (term.type === "object") {
      for (const one of (term.value as Node[][]).flat()) this.#terms(file, one, scope, wanted, at);
    }
  }

  #isKnown(term: Node, scope: Scope): boolean {
    const origins = this.#origins.of(term, scope);
    return !origins.some((origin) => mayBeNull(origin, this.#input)) || this.#origins.isTested(term, scope);
  }

  #silent(file: string, unknown: Node, what: string, scope: Scope, at: Expression["location"] | null): void {
    const [line, column] = [at?.row ?? null, at?.col];
    const test = `${testOf(this.#origins.of(unknown, scope), this.#input)}(${written(unknown)})`;
    this.#found.set(`${file}:${line ?? ""}:${column ?? ""}`, {
      severity: "error",
      file,
      line,
      ...(column === undefined ? {} : { column }),
      message: `${what} keeps a \`${this.#effect}\` from applying where \`${written(unknown)}\` is unknown (null): the action goes on`,
      hint: `say the good case and negate it: \`not good\`, with \`good if { ${test}; … }\`; where unknown may go on, test it here: \`${test}\``,
    });
  }
}

function opposite(wanted: Wanted): Wanted {
  return wanted === "true" ? "untrue" : "true";
}
