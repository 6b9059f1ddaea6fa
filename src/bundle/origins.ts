/**
 * Origins of values in rules: paths into the input, followed through aliases, local variables, iterations, helper rules
 * and functions. What is put together or computed has no origin.
 */
import {
  calledBy,
  isText,
  NO_NAMES,
  packageKey,
  type RegoExpression,
  type Names,
  type Node,
  type RegoTree,
  type Rule,
} from "./rego_tree.js";

/** Step of a path that stands for any element. */
export const EACH = "*";

export interface Origin {
  /** Below `input`. */
  path: string[];
  /** True if the value is null when there is nothing at the path. */
  elseNull: boolean;
  /** True if the rule that defines it tests its type. */
  tested: boolean;
}

/** The surroundings of a term: what its names stand for. */
export interface TermScope {
  /** Path of the package, below `data`. */
  package: readonly string[];
  names: Names;
  /** Bodies that enclose it, the outermost first. */
  bodies: readonly (readonly RegoExpression[])[];
  /** A function's arguments, and where they are written. */
  args: ReadonlyMap<string, { term: Node; scope: TermScope }>;
  /** Scope of the call, inside a called function; null elsewhere. */
  caller: TermScope | null;
}

const TYPE_TESTS = new Set(["is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"]);
/** Rego refuses recursion, but later than this looks. */
const DEPTH_MAX = 24;

/** The definition of a rule, or of one of its `else` branches, with the scope of its terms. */
export interface RuleDefinition {
  rule: Rule;
  file: string;
  scope: TermScope;
}

export class Origins {
  readonly #tree: RegoTree;
  /** Origins of rules without arguments; empty while they are being computed. */
  readonly #ofRules = new Map<Node, Origin[]>();

  constructor(tree: RegoTree) {
    this.#tree = tree;
  }

  /** Every origin that a term may have; empty when it has none. */
  of(term: Node, scope: TermScope, depth = 0): Origin[] {
    if (depth > DEPTH_MAX) return [];
    if (term.type === "var") return this.#ref([term], scope, depth);
    if (term.type === "ref") return this.#ref(term.value as Node[], scope, depth);
    if (term.type === "call") return this.#call(term.value as Node[], scope, depth);
    return [];
  }

  /** Returns true if a type test of the term stands at its use or at its definition. */
  isTested(term: Node, scope: TermScope, depth = 0): boolean {
    const origins = this.of(term, scope);
    return (origins.length > 0 && origins.every(({ tested }) => tested)) || this.isTestedHere(term, scope, depth);
  }

  /** Returns true if a type test of the term stands at its use. */
  isTestedHere(term: Node, scope: TermScope, depth = 0): boolean {
    const text = JSON.stringify(bare(term));
    const places = this.of(term, scope).map(place);
    const tested = this.#testedPlaces(scope, depth);
    if (places.some((one) => tested.has(one))) return true;
    return scope.bodies.flat().some((one) => this.#tests(one, scope, depth).some((test) => test.text === text));
  }

  /** Returns true if each input value that a term may be is tested around the scope, by whatever name: it is the same there. */
  isTestedIn(term: Node, scope: TermScope, around: TermScope): boolean {
    const places = this.of(term, scope).map(place);
    const tested = this.#testedPlaces(around);
    return places.length > 0 && places.every((one) => tested.has(one));
  }

  #testedPlaces(scope: TermScope, depth = 0): Set<string> {
    const found = new Set<string>();
    for (let at: TermScope | null = scope; at !== null; at = at.caller) {
      const within: TermScope = at;
      for (const one of within.bodies.flat())
        for (const { places } of this.#tests(one, within, depth)) for (const p of places) found.add(p);
    }
    return found;
  }

  /** Returns true if a body around the term iterates over it: it then has elements, or the body doesn't hold. */
  isIterated(term: Node, scope: TermScope): boolean {
    const text = JSON.stringify(bare(term));
    return scope.bodies.flat().some(({ terms, negated }) => {
      if (negated === true) return false;
      const { domain } = (Array.isArray(terms) ? {} : (terms ?? {})) as { domain?: Node };
      const through = [domain, ...symbolsOf(terms).map(({ value }) => (Array.isArray(value) ? (value as Node[]).at(-1) : undefined))];
      return through.some((one) => one !== undefined && JSON.stringify(bare(one)) === text);
    });
  }

  /** The definitions that a name, or a function that is called, has. */
  definitions(terms: readonly Node[], scope: TermScope, args: readonly Node[] = []): { definitions: RuleDefinition[]; steps: Node[] } {
    const [head, ...steps] = terms;
    const nothing = { definitions: [], steps: [] };
    if (head?.type !== "var") return nothing;
    const name = String(head.value);
    const imported = scope.names.get(name);
    if (imported !== undefined) return this.definitions([...imported, ...steps], { ...scope, names: NO_NAMES }, args);
    if (name !== "data") return this.#defined(scope.package, name, steps, args, scope);
    for (let length = steps.length - 1; length > 0; length--) {
      const path = steps.slice(0, length).map(({ value }) => String(value));
      if (this.#tree.packages.has(packageKey(path))) {
        return this.#defined(path, String(steps[length]?.value), steps.slice(length + 1), args, scope);
      }
    }
    return nothing;
  }

  #defined(
    path: readonly string[],
    name: string,
    steps: Node[],
    args: readonly Node[],
    caller: TermScope,
  ): ReturnType<Origins["definitions"]> {
    const rules = this.#tree.packages.get(packageKey(path))?.rules.get(name) ?? [];
    const branches = rules.flatMap((rule) => {
      const found: Rule[] = [];
      for (let one: Rule | undefined = rule; one !== undefined; one = one.else) found.push(one);
      const { file = "", names = NO_NAMES } = this.#tree.fileOf.get(rule) ?? {};
      return found.map((branch) => ({ branch, file, names }));
    });
    const definitions = branches.map(({ branch, file, names }) => {
      const bound = (branch.head.args ?? []).flatMap(({ type, value }, i) => {
        const term = args[i];
        return type === "var" && term !== undefined ? [[String(value), { term, scope: caller }] as const] : [];
      });
      const own = { package: path, names, bodies: [branch.body ?? []], args: new Map(bound), caller: args.length > 0 ? caller : null };
      return { rule: branch, file, scope: own };
    });
    return { definitions, steps };
  }

  #ref(terms: readonly Node[], scope: TermScope, depth: number): Origin[] {
    const [head, ...steps] = terms;
    if (head === undefined) return [];
    if (head.type !== "var") return below(this.of(head, scope, depth + 1), steps);
    const name = String(head.value);
    if (name === "input") return below([{ path: [], elseNull: false, tested: false }], steps);
    const arg = scope.args.get(name);
    if (arg !== undefined) return below(this.of(arg.term, arg.scope, depth + 1), steps);
    const local = this.#local(name, scope, depth);
    if (local !== null) return below(local, steps);
    const imported = scope.names.get(name);
    if (imported?.[0]?.value === "input") return this.#ref([...imported, ...steps], { ...scope, names: NO_NAMES }, depth + 1);
    const found = this.definitions(terms, scope);
    return found.definitions.flatMap((one) => this.#value(one, found.steps, depth));
  }

  /** The origins of a local variable; null when no body defines it. */
  #local(name: string, scope: TermScope, depth: number): Origin[] | null {
    const isIt = (node: Node | undefined): boolean => node?.type === "var" && node.value === name;
    for (const [i, body] of [...scope.bodies.entries()].reverse()) {
      const around = { ...scope, bodies: scope.bodies.slice(0, i + 1) };
      for (const { terms } of body) {
        const called = calledBy(terms);
        const [, left, right] = called === undefined ? [] : (terms as Node[]);
        if ((called === "assign" || called === "eq") && isIt(left) && right !== undefined) return this.of(right, around, depth + 1);
        for (const { value } of symbolsOf(terms)) {
          const member = calledBy(value) ?? "";
          const [, ...of] = Array.isArray(value) ? (value as Node[]) : [];
          const domain = of.at(-1);
          if (!member.startsWith("internal.member_") || domain === undefined) continue;
          if (isIt(of.at(-2))) return this.#elements(domain, around, depth + 1);
          if (of.length === 3 && isIt(of[0])) return [];
        }
      }
    }
    return null;
  }

  /** The value of a definition, below `steps`. */
  #value({ rule, scope }: RuleDefinition, steps: Node[], depth: number): Origin[] {
    const { key, value, ref } = rule.head;
    const isSet = key !== undefined && value === undefined;
    const of = isSet ? key : value;
    if (of === undefined) return [];
    // A set's element, or what is under a key of a partial object.
    const rest = steps.slice(isSet ? 1 : ref.length - 1);
    if (isSet && steps.length === 0) return [];
    const origins = below(scope.caller === null ? this.#once(of, scope, depth) : this.of(of, scope, depth + 1), rest);
    return origins.map((origin) => ({ ...origin, tested: origin.tested || this.#testedIn(origin, scope, depth) }));
  }

  #once(term: Node, scope: TermScope, depth: number): Origin[] {
    const known = this.#ofRules.get(term);
    if (known !== undefined) return known;
    this.#ofRules.set(term, []);
    const found = this.of(term, scope, depth + 1);
    this.#ofRules.set(term, found);
    return found;
  }

  #testedIn(origin: Origin, scope: TermScope, depth: number): boolean {
    return scope.bodies.flat().some((one) => this.#tests(one, scope, depth + 1).some(({ places }) => places.includes(place(origin))));
  }

  #elements(domain: Node, scope: TermScope, depth: number): Origin[] {
    if (depth > DEPTH_MAX) return [];
    if (domain.type === "array" || domain.type === "set") {
      return (domain.value as Node[]).flatMap((one) => this.of(one, scope, depth + 1));
    }
    if (domain.type === "arraycomprehension" || domain.type === "setcomprehension") {
      const { term, body } = domain.value as { term: Node; body: RegoExpression[] };
      return this.of(term, { ...scope, bodies: [...scope.bodies, body] }, depth + 1);
    }
    const each: Node = { type: "var", value: "$each" };
    const terms = domain.type === "ref" ? (domain.value as Node[]) : [domain];
    return this.#ref([...terms, each], scope, depth + 1);
  }

  #call(terms: Node[], scope: TermScope, depth: number): Origin[] {
    const [called, ...args] = terms;
    if (calledBy(terms) === "object.get") {
      const [from, key, otherwise] = args;
      if (from === undefined || key === undefined) return [];
      const steps = key.type === "array" ? (key.value as Node[]) : [key];
      return below(this.of(from, scope, depth + 1), steps).map((one) => ({ ...one, elseNull: otherwise?.type === "null" }));
    }
    const { definitions } = this.definitions((called?.value ?? []) as Node[], scope, args);
    return definitions.flatMap((one) => this.#value(one, [], depth));
  }

  /** Terms whose type an expression tests, by itself or through a helper rule that it asks. */
  #tests({ terms, negated }: RegoExpression, scope: TermScope, depth: number): { text: string; places: string[] }[] {
    if (depth > DEPTH_MAX) return [];
    const called = calledBy(terms);
    if (called !== undefined) {
      const [, left, right] = terms as Node[];
      // What isn't of a type may be null, but what isn't null is known.
      const isTest =
        negated === true
          ? called === "is_null" || (called === "equal" && right?.type === "null")
          : TYPE_TESTS.has(called) || (called === "neq" && right?.type === "null");
      if (!isTest || left === undefined) return [];
      return [
        {
          text: JSON.stringify(bare(left)),
          places: this.of(left, scope, depth + 1)
            .map(place)
            .filter(isOneValue),
        },
      ];
    }
    const asked = terms as Node | undefined;
    if (negated === true || (asked?.type !== "var" && asked?.type !== "ref")) return [];
    const { definitions } = this.definitions(asked.type === "var" ? [asked] : (asked.value as Node[]), scope);
    const [only, other] = definitions;
    if (only === undefined || other !== undefined) return [];
    return only.scope.bodies.flat().flatMap((one) => this.#tests(one, only.scope, depth + 1).map(({ places }) => ({ text: "", places })));
  }
}

function place({ path }: Origin): string {
  return path.join("/");
}

/** Returns false for an element of a list: testing one says nothing of another. */
function isOneValue(at: string): boolean {
  return !at.split("/").includes(EACH);
}

function below(origins: Origin[], steps: readonly Node[]): Origin[] {
  if (steps.length === 0) return origins;
  const more = steps.map((step) => (isText(step) ? String(step.value) : EACH));
  return origins.map(({ path }) => ({ path: [...path, ...more], elseNull: false, tested: false }));
}

export function symbolsOf(terms: unknown): Node[] {
  return typeof terms === "object" && terms !== null && !Array.isArray(terms) ? ((terms as { symbols?: Node[] }).symbols ?? []) : [];
}

/** A term without its place. */
function bare(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(bare);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).flatMap(([key, member]) => (key === "location" ? [] : [[key, bare(member)]])));
}
