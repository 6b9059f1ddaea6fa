/** Warns of comparisons that hold when both sides are unknown: null equals null. */
import type { JsonSchema } from "../contract/schema.js";
import type { ParsedModule } from "./conventions.js";
import { EACH, Origins, type Origin, type Scope } from "./origins.js";
import { calledBy, isText, regoTree, type Expression, type Node, type RegoTree, type Rule } from "./rego_tree.js";
import type { SourceNote } from "./source.js";

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

  /** In the order of the files and their lines. */
  get notes(): SourceNote[] {
    return [...this.#found.values()].sort((a, b) =>
      a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) : a.file < b.file ? -1 : 1,
    );
  }

  #rule(file: string, rule: Rule, around: Scope): void {
    for (let branch: Rule | undefined = rule; branch !== undefined; branch = branch.else) {
      const scope = { ...around, bodies: [branch.body ?? []] };
      for (const part of [branch.body, branch.head.key, branch.head.value]) this.#walk(file, part, scope);
    }
  }

  #walk(file: string, node: unknown, scope: Scope): void {
    if (typeof node !== "object" || node === null) return;
    if (Array.isArray(node)) {
      if (calledBy(node) !== undefined) this.#call(file, node as Node[], scope, null);
      for (const one of node) this.#walk(file, one, scope);
      return;
    }
    const { terms, location } = node as Expression;
    if (Array.isArray(terms)) {
      this.#call(file, terms as Node[], scope, location ?? null);
      for (const one of terms.slice(1)) this.#walk(file, one, scope);
      return;
    }
    const { body, domain, key, value, term } = node as { body?: Expression[]; domain?: Node; key?: Node | null; value?: Node; term?: Node };
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

  #call(file: string, terms: Node[], scope: Scope, location: Expression["location"] | null): void {
    const called = calledBy(terms) ?? "";
    const [head, ...args] = terms;
    const [left, right] = args;
    if ((called === "equal" || called === "eq") && left !== undefined && right !== undefined && args.length === 2) {
      if (called === "equal" || !(binds(left) || binds(right))) this.#compared(file, left, right, scope, location ?? placeOf(head));
      return;
    }
    const { definitions } = this.#origins.definitions((head?.value ?? []) as Node[], scope, args);
    for (const { rule, file: of, scope: inside } of definitions) {
      const key = JSON.stringify([file, called, args.map(text), of, rule.location]);
      if (rule.head.args === undefined || this.#called.has(key)) continue;
      this.#called.add(key);
      this.#walk(of, rule.body, inside);
    }
  }

  #compared(file: string, left: Node, right: Node, scope: Scope, at: Expression["location"] | null): void {
    const both = [left, right].map((term) => ({ term, origins: this.#origins.of(term, scope) }));
    if (!both.every(({ origins }) => origins.some((origin) => this.#mayBeNull(origin)))) return;
    if (both.some(({ term }) => this.#origins.isTested(term, scope))) return;
    const [line, column] = [at?.row ?? null, at?.col];
    const test = this.#testOf(both[0]?.origins ?? []);
    const key = `${file}:${line ?? ""}:${column ?? ""}`;
    this.#found.set(key, {
      severity: "warning",
      file,
      line,
      ...(column === undefined ? {} : { column }),
      message: `\`${text(left)} == ${text(right)}\` is true where both are unknown (null)`,
      hint: `test the type of one first: \`${test}(${text(left)})\``,
    });
  }

  #mayBeNull({ path, elseNull }: Origin): boolean {
    const schemas = schemasAt([this.#input], path);
    // A path that isn't in the schema is an error of its own.
    return elseNull || schemas.length === 0 || schemas.some((schema) => typesOf(schema).includes("null"));
  }

  #testOf(origins: Origin[]): string {
    const types = origins.flatMap(({ path }) => schemasAt([this.#input], path).flatMap(typesOf));
    return TESTS[types.find((type) => type !== "null") ?? ""] ?? "is_string";
  }
}

const TESTS: Readonly<Record<string, string>> = {
  integer: "is_number",
  number: "is_number",
  boolean: "is_boolean",
  array: "is_array",
  object: "is_object",
};

function typesOf({ type }: JsonSchema): string[] {
  return Array.isArray(type) ? (type as string[]) : typeof type === "string" ? [type] : [];
}

/** The schemas of what is at a path; several when types of resources differ. */
function schemasAt(schemas: JsonSchema[], [step, ...rest]: readonly string[]): JsonSchema[] {
  const each = schemas.flatMap((schema) => (schema["anyOf"] as JsonSchema[] | undefined) ?? [schema]);
  if (step === undefined) return each;
  const members = each.flatMap(({ properties, items }) => {
    const named = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
    const fields = named.flatMap(([name, schema]) => (step === EACH || step === name ? [schema] : []));
    return step === EACH && isSchema(items) ? [items, ...fields] : fields;
  });
  return schemasAt(members, rest);
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}

/** An `every`, as the iteration that gives its variables their values. */
function iteration(key: Node | null, value: Node, domain: Node): Expression {
  const name = { type: "string", value: key === null ? "member_2" : "member_3" };
  const member: Node = { type: "ref", value: [{ type: "var", value: "internal" }, name] };
  return { terms: { symbols: [{ type: "call", value: [member, ...(key === null ? [] : [key]), value, domain] }] } };
}

/** `x = input.a` gives a variable its value. */
function binds({ type }: Node): boolean {
  return type === "var" || type === "array" || type === "object";
}

function placeOf(node: Node | undefined): Expression["location"] | null {
  return (node as Expression | undefined)?.location ?? null;
}

/** A term as its author writes it, nearly. */
function text(term: Node): string {
  const { type, value } = term;
  if (type === "call") {
    const [called, ...args] = value as Node[];
    return `${text(called ?? {})}(${args.map(text).join(", ")})`;
  }
  if (type === "array") return `[${(value as Node[]).map(text).join(", ")}]`;
  if (type === "var") return String(value).startsWith("$") ? "_" : String(value);
  if (type !== "ref") return type === "null" ? "null" : JSON.stringify(value);
  const [head, ...steps] = value as Node[];
  return steps.reduce(
    (so_far, step) => so_far + (isText(step) && /^[A-Za-z_]\w*$/.test(String(step.value)) ? `.${String(step.value)}` : `[${text(step)}]`),
    text(head ?? {}),
  );
}
