/** Warns of comparisons that hold when both sides are unknown: null equals null. */
import type { JsonSchema } from "../contract/schema.js";
import type { ParsedModule } from "./conventions.js";
import { Origins, type TermScope } from "./origins.js";
import { calledBy, regoTree, type RegoExpression, type Node, type RegoTree, type Rule } from "./rego_tree.js";
import type { SourceNote } from "./source.js";
import { binds, iteration, mayBeNull, placeOf, testOf, written } from "./terms.js";

/** @param input schema of the policy's input, which says what may be null */
export function nullComparisons(modules: readonly ParsedModule[], input: JsonSchema): SourceNote[] {
  const tree = regoTree(modules);
  return new Comparisons(tree, input).notes;
}

class Comparisons {
  readonly #origins: Origins;
  readonly #found = new Map<string, SourceNote>();
  readonly #called = new Set<string>();
  readonly #input: JsonSchema;

  constructor(tree: RegoTree, input: JsonSchema) {
    this.#origins = new Origins(tree);
    this.#input = input;
    for (const { file, path, names, rules } of tree.files) {
      for (const rule of rules) this.#rule(file, rule, { package: path, names, bodies: [], args: new Map(), caller: null });
    }
  }

  /** Notes, sorted by file and line. */
  get notes(): SourceNote[] {
    return [...this.#found.values()].sort((a, b) =>
      a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) : a.file < b.file ? -1 : 1,
    );
  }

  #rule(file: string, rule: Rule, around: TermScope): void {
    for (let branch: Rule | undefined = rule; branch !== undefined; branch = branch.else) {
      const scope = { ...around, bodies: [branch.body ?? []] };
      for (const part of [branch.body, branch.head.key, branch.head.value]) this.#walk(file, part, scope);
    }
  }

  #walk(file: string, node: unknown, scope: TermScope): void {
    if (typeof node !== "object" || node === null) return;
    if (Array.isArray(node)) {
      if (calledBy(node) !== undefined) this.#call(file, node as Node[], scope, null);
      for (const one of node) this.#walk(file, one, scope);
      return;
    }
    const { terms, location } = node as RegoExpression;
    if (Array.isArray(terms)) {
      this.#call(file, terms as Node[], scope, location ?? null);
      for (const one of terms.slice(1)) this.#walk(file, one, scope);
      return;
    }
    const { body, domain, key, value, term } = node as {
      body?: RegoExpression[];
      domain?: Node;
      key?: Node | null;
      value?: Node;
      term?: Node;
    };
    if (domain !== undefined && body !== undefined && value !== undefined) {
      this.#walk(file, domain, scope);
      this.#walk(file, body, { ...scope, bodies: [...scope.bodies, [iteration(key ?? null, value, domain)], body] });
    } else if (Array.isArray(body)) {
      const inside = { ...scope, bodies: [...scope.bodies, body] };
      for (const part of [key, value, term, body]) this.#walk(file, part, inside);
    } else {
      for (const [name, member] of Object.entries(node)) if (name !== "location" && name !== "annotations") this.#walk(file, member, scope);
    }
  }

  #call(file: string, terms: Node[], scope: TermScope, location: RegoExpression["location"] | null): void {
    const called = calledBy(terms) ?? "";
    const [head, ...args] = terms;
    const [left, right] = args;
    if ((called === "equal" || called === "eq") && left !== undefined && right !== undefined && args.length === 2) {
      if (called === "equal" || !(binds(left) || binds(right))) this.#compared(file, left, right, scope, location ?? placeOf(head));
      return;
    }
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    for (const { rule, file: of, scope: inside } of definitions) {
      const key = JSON.stringify([file, called, args.map(written), of, rule.location]);
      if (rule.head.args === undefined || this.#called.has(key)) continue;
      this.#called.add(key);
      this.#walk(of, rule.body, inside);
    }
  }

  #compared(file: string, left: Node, right: Node, scope: TermScope, at: RegoExpression["location"] | null): void {
    const both = [left, right].map((term) => ({ term, origins: this.#origins.of(term, scope) }));
    if (!both.every(({ origins }) => origins.some((origin) => mayBeNull(origin, this.#input)))) return;
    if (both.some(({ term }) => this.#origins.isTested(term, scope))) return;
    const [line, column] = [at?.row ?? null, at?.col];
    const test = testOf(both[0]?.origins ?? [], this.#input);
    const key = `${file}:${line ?? ""}:${column ?? ""}`;
    this.#found.set(key, {
      severity: "warning",
      file,
      line,
      ...(column === undefined ? {} : { column }),
      message: `\`${written(left)} == ${written(right)}\` is true where both are unknown (null)`,
      hint: `test the type of one first: \`${test}(${written(left)})\``,
    });
  }
}
