/**
 * Input paths that rules in Rego may read: constant paths that stand in a rule, or in a rule that it asks. Whatever is put
 * together while it runs counts as reading all that is below what it begins with.
 */
import type { Scalar } from "../contract/policy.js";
import type { ParsedModule } from "./conventions.js";
import {
  calledBy,
  isText,
  nameOf,
  NO_NAMES,
  packageKey,
  regoTree,
  type Names,
  type Node,
  type Package,
  type RegoTree,
  type Rule,
} from "./rego_tree.js";

/** Input paths of each reason that a rule gives, by its code, and of `rules.<purpose>.oblige`. */
export type ReadByRules = readonly { name: string; reads: Reads; literals: Scalar[] }[];

/** Values of one rule that are told: an explanation tries them. */
export const LITERALS_MAX = 64;

export type Reads = "everything" | string[][];

const EFFECTS = ["allow", "log", "flag", "deny"];
const NOT_READ = new Set(["location", "annotations", "comments"]);

export function readByRules(modules: readonly ParsedModule[]): ReadByRules {
  const tree = regoTree(modules);
  return tree.files.flatMap(({ path, rules }) => {
    const own = tree.packages.get(packageKey(path));
    if (own === undefined || path.length !== 2) return [];
    return rules.flatMap((rule) => {
      const name = nameOf(rule);
      if (name !== "oblige" && !EFFECTS.includes(name)) return [];
      const code = rule.annotations?.find(({ scope }) => scope === "rule")?.custom?.["code"];
      const reader = new Reader(tree);
      reader.follow(own, rule);
      return [{ name: name === "oblige" ? [...path, name].join(".") : String(code), reads: reader.reads, literals: reader.literals }];
    });
  });
}

class Reader {
  readonly #tree: RegoTree;
  readonly #seen = new Set<Rule>();
  readonly #paths = new Map<string, string[]>();
  readonly #literals = new Set<Scalar>();

  constructor(tree: RegoTree) {
    this.#tree = tree;
  }

  get reads(): Reads {
    const paths = [...this.#paths.values()];
    return paths.some((path) => path.length === 0) ? "everything" : paths;
  }

  /** Texts and numbers that stand in the rules, but not in paths. */
  get literals(): Scalar[] {
    return [...this.#literals].slice(0, LITERALS_MAX);
  }

  follow(own: Package, rule: Rule): void {
    if (this.#seen.has(rule)) return;
    this.#seen.add(rule);
    this.#walk(rule, own, this.#tree.fileOf.get(rule)?.names ?? NO_NAMES);
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
    else if ((type === "string" || type === "number") && (typeof value === "string" || typeof value === "number"))
      this.#literals.add(value);
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
    const [, from, key, ...rest] = terms;
    if (calledBy(terms) !== "object.get" || from === undefined || key === undefined) return terms;
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
    for (const known of this.#tree.packages.values()) {
      const within = path.slice(0, known.path.length);
      if (!within.every((step, i) => step === known.path[i])) continue;
      const asked = path[known.path.length];
      for (const [rule, those] of known.rules) if (asked === undefined || asked === rule) for (const one of those) this.follow(known, one);
    }
  }
}

function constants(steps: readonly Node[]): string[] {
  const end = steps.findIndex((step) => !isText(step));
  return steps.slice(0, end < 0 ? steps.length : end).map(({ value }) => String(value));
}

/** `attributes := input.request.resource.attributes` and no more: another word for what it names. */
export function aliasOf(rules: readonly Rule[]): Node[] | null {
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
