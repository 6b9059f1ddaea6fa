/**
 * CEL, as far as a mapping needs it: over `params` and `token`, without regular expressions, whose time nobody bounds, and with one
 * comprehension at most, so that no expression takes longer than what it looks at is long.
 */
import { Environment, Optional, type ASTNode } from "@marcbachmann/cel-js";

export interface Variables extends Record<string, unknown> {
  params: unknown;
  token: unknown;
}

/** @returns undefined for an optional value that isn't there @throws ExpressionFault */
export type Expression = (variables: Variables) => unknown;

export class ExpressionFault extends Error {
  override readonly name = "ExpressionFault";
}

const TEXT_MAX = 1024;
const LIMITS = { maxAstNodes: 128, maxDepth: 16, maxListElements: 32, maxMapEntries: 32, maxCallArguments: 8 };
const COMPREHENSIONS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);
const REFUSED: ReadonlySet<string> = new Set(["matches"]);

const environment = new Environment({ enableOptionalTypes: true, limits: LIMITS })
  .registerVariable("params", "dyn")
  .registerVariable("token", "dyn");

/** @throws ExpressionFault for what is no CEL, or not of this kind */
export function expression(text: string): Expression {
  if (text.length > TEXT_MAX) throw new ExpressionFault("it is too long");
  const parsed = attempt(() => environment.parse(text));
  check(parsed.ast);
  return (variables) => plain(attempt(() => parsed(variables) as unknown));
}

function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new ExpressionFault(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function check(ast: ASTNode): void {
  let comprehensions = 0;
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const one of node as unknown[]) visit(one);
    if (typeof node !== "object" || node === null || !("op" in node) || !("args" in node)) return;
    const { op, args } = node;
    const called = (op === "rcall" || op === "call") && Array.isArray(args) ? String(args[0]) : "";
    if (REFUSED.has(called)) throw new ExpressionFault(`it calls ${called}`);
    if (COMPREHENSIONS.has(called) && ++comprehensions > 1) throw new ExpressionFault("it has several comprehensions");
    visit(args);
  };
  visit(ast);
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (Array.isArray(value)) return value.map((element: unknown) => plain(element));
  if (typeof value === "object") {
    if (value instanceof Optional) return value.hasValue() ? plain(value.value()) : undefined;
    if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
  }
  throw new ExpressionFault("its value has no form in JSON");
}
