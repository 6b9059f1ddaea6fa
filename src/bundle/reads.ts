/**
 * What rules in Rego may read of their input: constant paths that stand in a rule, or in a rule that it asks. Whatever is put
 * together while it runs counts as reading all that is below what it begins with.
 */
import type { ParsedModule } from "./conventions.js";

/** Of each reason that a rule gives, by its code, and of `rules.<purpose>.oblige`: paths into the input. */
export type ReadByRules = readonly { name: string; reads: Reads }[];

export type Reads = "everything" | string[][];

/** A node of OPA's syntax tree, of which only what is read here has a type. */
interface Node {
  type?: string;
  value?: unknown;
}

type Rule = NonNullable<ParsedModule["module"]["rules"]>[number] & {
  head: { args?: unknown; value?: Node };
  body?: { terms?: unknown }[];
  else?: unknown;
  default?: boolean;
};

interface Package {
  /** Below `data`. */
  path: string[];
  rules: Map<string, Rule[]>;
}

/** What a file calls what it imports. */
type Names = ReadonlyMap<string, Node[]>;

const EFFECTS = ["allow", "log", "flag", "deny"];
const NOT_READ = new Set(["location", "annotations", "comments"]);

export function readByRules(modules: readonly ParsedModule[]): ReadByRules {
  const files = modules.map(({ module }) => ({
    path: module.package.path.slice(1).map(({ value }) => value),
    names: importsOf(module),
    rules: module.rules ?? [],
  }));
  const packages = new Map<string, Package>();
  const namesOf = new Map<Rule, Names>();
  for (const { path, names, rules } of files) {
    const known = packages.get(path.join("/")) ?? { path, rules: new Map<string, Rule[]>() };
    packages.set(path.join("/"), known);
    for (const rule of rules) {
      const name = nameOf(rule);
      known.rules.set(name, [...(known.rules.get(name) ?? []), rule]);
      namesOf.set(rule, names);
    }
  }
  return files.flatMap(({ path, rules }) => {
    const own = packages.get(path.join("/"));
    if (own === undefined || path.length !== 2) return [];
    return rules.flatMap((rule) => {
      const name = nameOf(rule);
      if (name !== "oblige" && !EFFECTS.includes(name)) return [];
      const code = rule.annotations?.find(({ scope }) => scope === "rule")?.custom?.["code"];
      const reader = new Reader(packages, namesOf);
      reader.follow(own, rule);
      return [{ name: name === "oblige" ? [...path, name].join(".") : String(code), reads: reader.reads }];
    });
  });
}

function nameOf({ head }: Rule): string {
  return String(head.ref[0]?.value);
}

function importsOf(module: ParsedModule["module"]): Names {
  const imports = (module as { imports?: { path: Node; alias?: string }[] }).imports ?? [];
  return new Map(
    imports.map(({ path, alias }) => {
      const terms = Array.isArray(path.value) ? (path.value as Node[]) : [path];
      return [alias ?? String(terms.at(-1)?.value), terms];
    }),
  );
}

class Reader {
  readonly #packages: ReadonlyMap<string, Package>;
  readonly #namesOf: ReadonlyMap<Rule, Names>;
  readonly #seen = new Set<Rule>();
  readonly #paths = new Map<string, string[]>();

  constructor(packages: ReadonlyMap<string, Package>, namesOf: ReadonlyMap<Rule, Names>) {
    this.#packages = packages;
    this.#namesOf = namesOf;
  }

  get reads(): Reads {
    const paths = [...this.#paths.values()];
    return paths.some((path) => path.length === 0) ? "everything" : paths;
  }

  follow(own: Package, rule: Rule): void {
    if (this.#seen.has(rule)) return;
    this.#seen.add(rule);
    this.#walk(rule, own, this.#namesOf.get(rule) ?? new Map<string, Node[]>());
  }

  #walk(node: unknown, own: Package, names: Names): void {
    if (typeof node !== "object" || node === null) return;
    if (Array.isArray(node)) {
      const rest = this.#objectGet(node as Node[], own, names);
      for (const one of rest) this.#walk(one, own, names);
      return;
    }
    const { type, value } = node as Node;
    if (type === "ref" && Array.isArray(value)) this.#ref(value as Node[], own, names);
    else if (type === "var") this.#ref([node], own, names);
    else {
      for (const [key, member] of Object.entries(node)) {
        if (NOT_READ.has(key)) continue;
        // A head's own name asks nothing.
        this.#walk(key === "ref" && Array.isArray(member) ? member.slice(1) : member, own, names);
      }
    }
  }

  /** `object.get(ref, "key", …)` reads what `ref.key` does. @returns what is left to look at */
  #objectGet(terms: Node[], own: Package, names: Names): Node[] {
    const [called, from, key, ...rest] = terms;
    const isCall = called?.type === "ref" && Array.isArray(called.value) && dotted(called.value as Node[]) === "object.get";
    if (!isCall || from === undefined || key === undefined) return terms;
    const keys = key.type === "array" ? (key.value as Node[]) : [key];
    if (!keys.every(isText)) return terms;
    if (from.type !== "ref" && from.type !== "var") return terms;
    const base = from.type === "ref" ? (from.value as Node[]) : [from];
    this.#ref([...base, ...keys], own, names);
    return rest;
  }

  #ref(terms: Node[], own: Package, names: Names): void {
    const [head, ...steps] = terms;
    if (head === undefined) return;
    const constant = constants(steps);
    for (const step of steps.slice(constant.length)) this.#walk(step, own, names);
    if (head.type !== "var") {
      this.#walk(head, own, names);
      return;
    }
    const name = String(head.value);
    if (name === "input") this.#paths.set(constant.join("/"), constant);
    else if (name === "data") this.#data(constant);
    else if (names.has(name)) this.#ref([...(names.get(name) ?? []), ...steps], own, NO_NAMES);
    else this.#local(name, steps, own, names);
  }

  #local(name: string, steps: Node[], own: Package, names: Names): void {
    const rules = own.rules.get(name);
    if (rules === undefined) return;
    const alias = aliasOf(rules);
    if (alias !== null) this.#ref([...alias, ...steps], own, names);
    else for (const rule of rules) this.follow(own, rule);
  }

  /** The library's `reason` puts together what it is given; what else of it asks, may ask anything. */
  #data(path: string[]): void {
    const [root, name] = path;
    if (root === undefined) this.#paths.set("", []);
    if (root === "remit" && name !== "reason") this.#paths.set("", []);
    if (root !== "rules" && root !== undefined) return;
    for (const known of this.#packages.values()) {
      const within = path.slice(0, known.path.length);
      if (!within.every((step, i) => step === known.path[i])) continue;
      const asked = path[known.path.length];
      for (const [rule, those] of known.rules) if (asked === undefined || asked === rule) for (const one of those) this.follow(known, one);
    }
  }
}

const NO_NAMES: Names = new Map();

function isText({ type, value }: Node): boolean {
  return type === "string" && typeof value === "string";
}

function constants(steps: readonly Node[]): string[] {
  const end = steps.findIndex((step) => !isText(step));
  return steps.slice(0, end < 0 ? steps.length : end).map(({ value }) => String(value));
}

function dotted(terms: readonly Node[]): string {
  return terms.map(({ value }) => String(value)).join(".");
}

/** `attributes := input.request.resource.attributes` and no more: another word for what it names. */
function aliasOf(rules: readonly Rule[]): Node[] | null {
  const [rule, other] = rules;
  if (rule === undefined || other !== undefined || rule.default === true || rule.else !== undefined) return null;
  const { args, value } = rule.head;
  if (args !== undefined || value?.type !== "ref" || !Array.isArray(value.value)) return null;
  const conditions = (rule.body ?? []).filter(({ terms }) => !isTrue(terms));
  const [head, ...steps] = value.value as Node[];
  const plain = head?.type === "var" && head.value === "input" && steps.every(isText);
  return plain && conditions.length === 0 && rule.head.ref.length === 1 ? (value.value as Node[]) : null;
}

function isTrue(terms: unknown): boolean {
  return typeof terms === "object" && terms !== null && (terms as Node).type === "boolean" && (terms as Node).value === true;
}
