/**
 * CEL, as far as a mapping needs it: over `params` and `token`, with functions of bounded time alone, no regular expressions among them, and with one
 * comprehension at most, so that no expression takes longer than what it looks at is long.
 */
import { Environment, Optional, type ASTNode } from "@marcbachmann/cel-js";

export interface Variables extends Record<string, unknown> {
  params: unknown;
  token: unknown;
}

/** Rest of a question's bounds: characters and values. Mappings come from servers, and what they map from models. */
export interface Budget {
  left: number;
}

/** @returns undefined for an optional value that isn't there @throws ExpressionFault */
export type CoazExpression = (variables: Variables, budget: Budget) => unknown;

export class ExpressionFault extends Error {
  override readonly name = "ExpressionFault";
}

const TEXT_MAX = 1024;
const LIMITS = { maxAstNodes: 128, maxDepth: 16, maxListElements: 32, maxMapEntries: 32, maxCallArguments: 8 };
const COMPREHENSIONS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);
/** Functions whose time and memory are bounded by their input. */
const CALLED: ReadonlySet<string> = new Set([
  ...COMPREHENSIONS,
  ...["size", "has", "contains", "startsWith", "endsWith", "string", "int", "double", "bool", "dyn"],
  ...["orValue", "or", "hasValue", "value", "none", "of"],
]);

const environment = new Environment({ enableOptionalTypes: true, limits: LIMITS })
  .registerVariable("params", "dyn")
  .registerVariable("token", "dyn");

/** @throws ExpressionFault for what is no CEL, or not of this kind */
export function expression(text: string): CoazExpression {
  if (text.length > TEXT_MAX) throw new ExpressionFault("it is too long");
  const parsed = attempt(() => environment.parse(text));
  check(parsed.ast);
  return (variables, budget) =>
    plain(
      attempt(() => parsed(variables) as unknown),
      budget,
    );
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
    const called = (op === "rcall" || op === "call") && Array.isArray(args) ? String(args[0]) : "size";
    if (!CALLED.has(called)) throw new ExpressionFault(`it calls ${called}`);
    if (COMPREHENSIONS.has(called) && ++comprehensions > 1) throw new ExpressionFault("it has several comprehensions");
    visit(args);
  };
  visit(ast);
}

/** @throws ExpressionFault */
export function spend(budget: Budget, amount: number): void {
  budget.left -= amount;
  if (budget.left < 0) throw new ExpressionFault("it comes to too much");
}

/** Returns the value in JSON's types. */
function plain(value: unknown, budget: Budget): unknown {
  spend(budget, typeof value === "string" ? 1 + value.length : 1);
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (Array.isArray(value)) return value.map((element: unknown) => plain(element, budget));
  if (typeof value === "object") {
    if (value instanceof Optional) return value.hasValue() ? plain(value.value(), budget) : undefined;
    if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, named(name, member, budget)]));
  }
  throw new ExpressionFault("its value has no form in JSON");
}

function named(name: string, member: unknown, budget: Budget): unknown {
  spend(budget, name.length);
  return plain(member, budget);
}
