/** OPA's syntax tree of a policy set's Rego: its packages, rules and imports, and the nodes that analyses read. */
import type { ParsedModule } from "./conventions.js";

/** A node, of which only what is read here has a type. */
export interface Node {
  type?: string;
  value?: unknown;
}

export interface RegoExpression {
  terms?: unknown;
  negated?: boolean;
  with?: unknown;
  location?: { row: number; col: number };
}

export type Rule = NonNullable<ParsedModule["module"]["rules"]>[number] & {
  head: { args?: Node[]; key?: Node; value?: Node };
  body?: RegoExpression[];
  else?: Rule;
  default?: boolean;
};

export interface Package {
  /** Below `data`. */
  path: string[];
  rules: Map<string, Rule[]>;
}

/** A file's names for its imports. */
export type Names = ReadonlyMap<string, Node[]>;

export const NO_NAMES: Names = new Map();

export interface RegoFile {
  file: string;
  /** Path of its package, below `data`. */
  path: string[];
  names: Names;
  rules: Rule[];
}

/** The packages of a set, each with the rules of all its files. */
export interface RegoTree {
  files: RegoFile[];
  packages: ReadonlyMap<string, Package>;
  fileOf: ReadonlyMap<Rule, RegoFile>;
}

export function regoTree(modules: readonly ParsedModule[]): RegoTree {
  const files = modules.map(({ file, module }) => ({
    file,
    path: module.package.path.slice(1).map(({ value }) => value),
    names: importsOf(module),
    rules: module.rules ?? [],
  }));
  const packages = new Map<string, Package>();
  const fileOf = new Map<Rule, RegoFile>();
  for (const file of files) {
    const key = packageKey(file.path);
    const known = packages.get(key) ?? { path: file.path, rules: new Map<string, Rule[]>() };
    packages.set(key, known);
    for (const rule of file.rules) {
      known.rules.set(nameOf(rule), [...(known.rules.get(nameOf(rule)) ?? []), rule]);
      fileOf.set(rule, file);
    }
  }
  return { files, packages, fileOf };
}

export function packageKey(path: readonly string[]): string {
  return path.join("/");
}

export function nameOf({ head }: Rule): string {
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

export function isText({ type, value }: Node): boolean {
  return type === "string" && typeof value === "string";
}

export function dotted(terms: readonly Node[]): string {
  return terms.map(({ value }) => String(value)).join(".");
}

/** Name of the function that a call's terms begin with; undefined for what is no call. */
export function calledBy(terms: unknown): string | undefined {
  const [called] = Array.isArray(terms) ? (terms as Node[]) : [];
  return called?.type === "ref" && Array.isArray(called.value) ? dotted(called.value as Node[]) : undefined;
}
