/**
 * Edits that take a control out of a module, addressed by the names in its source: a function, and in it a condition, a call or
 * a value. Layout, comments and everything else in the module may change without an edit noticing.
 */
import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";
import ts from "typescript";
import { asset } from "../../src/system/paths.js";

/** Replacement of a part of a source. */
interface Splice {
  start: number;
  end: number;
  text: string;
}

/** An edit of one module. An edit that finds nothing in its module, or more than one thing, throws an Error that says which. */
export interface Edit {
  /** The module's path below `src`, as it is imported. */
  file: string;
  kind: "row" | "condition" | "refusal" | "call" | "value" | "returns" | "text";
  find: (source: ts.SourceFile) => Splice;
}

/**
 * Names that a part of a source has in it: identifiers, `#private` ones, strings and numbers. A part is addressed by as many of them as
 * tell it from the others in its function.
 */
type Names = string | readonly string[];

const listed = (names: Names): readonly string[] => (typeof names === "string" ? [names] : names);

/** Removes a row of a table: an array in an array, by its first element. */
function row(file: string, table: string, key: string): Edit {
  return edit(file, "row", `${table}: a row "${key}"`, (source) => {
    const rows = nodesIn(scopeOf(source, table), (node) => ts.isArrayLiteralExpression(node) && ts.isArrayLiteralExpression(node.parent));
    const isIt = (node: ts.Node): boolean => {
      const [first] = (node as ts.ArrayLiteralExpression).elements;
      return first !== undefined && ts.isStringLiteral(first) && first.text === key;
    };
    const found = only(rows.filter(isIt), rows);
    return { start: found.getStart(), end: next(source, found.end, ","), text: "" };
  });
}

/** Replaces a condition: the smallest one in the function that has all these names in it. */
function condition(file: string, scope: string, names: Names, to: string): Edit {
  return edit(file, "condition", `${scope}: a condition on ${listed(names).join(" and ")}`, (source) => {
    const conditions = nodesIn(scopeOf(source, scope), isCondition);
    const having = conditions.filter((node) => hasNames(node, listed(names)));
    return replaced(only(having.filter(isInnermost), conditions), to);
  });
}

/** Makes a condition false. */
const never = (file: string, scope: string, ...names: string[]): Edit => condition(file, scope, names, "false");

/** Makes a condition true. */
const always = (file: string, scope: string, ...names: string[]): Edit => condition(file, scope, names, "true");

/** Takes out a refusal: the `if` that leads to this code, or fault, never holds. */
function refusal(file: string, scope: string, code: string): Edit {
  return edit(file, "refusal", `${scope}: an \`if\` that leads to "${code}"`, (source) => {
    const all = nodesIn(scopeOf(source, scope), ts.isIfStatement) as ts.IfStatement[];
    const found = only(all.filter(({ thenStatement }) => hasNames(thenStatement, [code])).filter(isInnermost), all);
    return replaced((found as ts.IfStatement).expression, "false");
  });
}

/**
 * Replaces a call, or removes it when it is a statement, or is spread into a list.
 * @param callee as many of its last names as tell it from others: `push`, or `#files.sync`; and names among its arguments
 */
function call(file: string, scope: string, callee: Names, to?: string): Edit {
  return edit(file, "call", `${scope}: a call of ${listed(callee).join(" with ")}`, (source) => {
    const found = called(source, scope, callee);
    return to === undefined ? removed(found) : replaced(found, to);
  });
}

/** Leaves out a method's call: what it is called on takes its place. */
function skip(file: string, scope: string, callee: Names): Edit {
  return edit(file, "call", `${scope}: a call of ${listed(callee).join(" with ")}`, (source) => {
    const { expression } = called(source, scope, callee) as ts.CallExpression;
    if (!ts.isPropertyAccessExpression(expression)) throw new Error("it is no method's");
    return replaced(expression.parent, expression.expression.getText());
  });
}

function called(source: ts.SourceFile, scope: string, callee: Names): ts.Node {
  const [path = "", ...names] = listed(callee);
  const calls = nodesIn(scopeOf(source, scope), (node) => ts.isCallExpression(node) || ts.isNewExpression(node));
  const isIt = (node: ts.Node): boolean => {
    const { expression, arguments: given = [] } = node as ts.CallExpression | ts.NewExpression;
    const last = pathOf(expression).slice(-path.split(".").length);
    return last.join(".") === path && names.every((name) => given.some((one) => hasNames(one, [name])));
  };
  return only(calls.filter(isIt), calls);
}

/** Replaces the value that a name is given in a function: of a variable, a property, or an assignment. */
function value(file: string, scope: string, name: string, to: string): Edit {
  return edit(file, "value", `${scope}: a value of ${name}`, (source) => {
    const given = nodesIn(scopeOf(source, scope), (node) => valueIn(node) !== null);
    const found = only(
      given.filter((node) => valueIn(node)?.name === name),
      given,
    );
    if (ts.isShorthandPropertyAssignment(found)) return replaced(found, `${name}: ${to}`);
    return replaced(valueIn(found)?.value ?? found, to);
  });
}

/** Makes a function return this, and do nothing else. */
function returns(file: string, scope: string, to: string): Edit {
  return edit(file, "returns", `${scope}: a function's body`, (source) => {
    const found = scopeOf(source, scope);
    const body = functionIn(found)?.body;
    if (body === undefined) throw new Error(`it is a ${ts.SyntaxKind[found.kind]}`);
    return replaced(body, ts.isBlock(body) ? `{ return ${to}; }` : `(${to})`);
  });
}

/**
 * Replaces code that has no name of its own: whole expressions or statements of a function, compared token by token. For what
 * the other edits can't address.
 */
function text(file: string, scope: string, from: string, to: string): Edit {
  return edit(file, "text", `${scope}: \`${from}\``, (source) => {
    const tokens = tokensOf(scopeOf(source, scope));
    const wanted = tokensOf(parsed("text.ts", from)).map(spelling);
    if (wanted.length === 0) throw new Error("it is empty");
    const found = tokens.flatMap((_, at) => (wanted.every((one, i) => spelling(tokens[at + i]) === one) ? [at] : []));
    const [at, ...others] = found;
    if (at === undefined || others.length > 0) throw new Error(`${found.length} are there`);
    return { start: tokens[at]?.getStart() ?? 0, end: tokens[at + wanted.length - 1]?.end ?? 0, text: to };
  });
}

export const cut = { row, condition, never, always, refusal, call, skip, value, returns, text } as const;

/** A module's source with edits made, all of them addressed in the source that it has without them. */
export function cutOut(file: string, text: string, edits: readonly Edit[]): string {
  const source = parsed(file, text);
  const splices = edits.map((one) => one.find(source)).sort((a, b) => b.start - a.start);
  for (const [i, { end }] of splices.slice(1).entries())
    if (end > (splices[i]?.start ?? 0)) throw new Error(`${file}: two edits are of one place`);
  return splices.reduce((done, { start, end, text }) => done.slice(0, start) + text + done.slice(end), text);
}

/** The same as JavaScript. An edit that leaves no program behind throws. */
export function compiled(file: string, edits: readonly Edit[]): string {
  const source = cutOut(file, readFileSync(asset("src", file.replace(/\.js$/, ".ts")), "utf8"), edits);
  try {
    // By esbuild, since hundreds of tests cut something out: the project's compiler takes fifteen times as long.
    return transformSync(source, { loader: "ts", target: "es2022", tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }).code;
  } catch (error) {
    throw new Error(`${file} can't be read with its edits: ${(error as Error).message}`, { cause: error });
  }
}

/** What was parsed last of each module: most are cut many times. */
const parsedBefore = new Map<string, ts.SourceFile>();

function parsed(file: string, text: string): ts.SourceFile {
  const known = parsedBefore.get(file);
  if (known?.text === text) return known;
  const source = ts.createSourceFile(file.replace(/\.js$/, ".ts"), text, ts.ScriptTarget.ES2022, true);
  parsedBefore.set(file, source);
  return source;
}

function edit(file: string, kind: Edit["kind"], what: string, find: (source: ts.SourceFile) => Splice): Edit {
  return {
    file,
    kind,
    find(source) {
      try {
        return find(source);
      } catch (error) {
        throw new Error(`cannot cut in ${file}, ${what}: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}

/** The declaration of a function, method, class or module's constant, by its name or as many of its names as tell it from others. */
function scopeOf(source: ts.SourceFile, name: string): ts.Node {
  const all: { path: string; node: ts.Node }[] = [];
  const visit = (node: ts.Node, above: string): void => {
    const own = scopeName(node);
    const path = own === null ? above : `${above}.${own}`;
    if (own !== null) all.push({ path, node });
    ts.forEachChild(node, (child) => {
      visit(child, path);
    });
  };
  visit(source, "");
  const found = all.filter(({ path }) => path.endsWith(`.${name}`));
  const [one, ...others] = found;
  if (one !== undefined && others.length === 0) return one.node;
  const shown = (one === undefined ? all : found).map(({ path }) => path.slice(1)).join(", ");
  throw new Error(one === undefined ? `no ${name} is there, but ${shown}` : `several are there: ${shown}`);
}

function scopeName(node: ts.Node): string | null {
  if (ts.isConstructorDeclaration(node)) return node.body === undefined ? null : "constructor";
  if (ts.isClassDeclaration(node)) return node.name?.text ?? null;
  const within = functionIn(node);
  if (ts.isVariableDeclaration(node)) {
    const isOfModule = ts.isSourceFile(node.parent.parent.parent);
    return ts.isIdentifier(node.name) && (isOfModule || within !== null) ? node.name.text : null;
  }
  if (within?.body === undefined) return null;
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node)) return nameOf(node.name);
  if (ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)) return nameOf(node.name);
  return null;
}

/** The function that a declaration is, or has for its value. */
function functionIn(node: ts.Node): ts.FunctionLikeDeclaration | null {
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node) || ts.isConstructorDeclaration(node))
    return node;
  if (!ts.isVariableDeclaration(node) && !ts.isPropertyDeclaration(node) && !ts.isPropertyAssignment(node)) return null;
  const { initializer } = node;
  return initializer !== undefined && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) ? initializer : null;
}

function nameOf(node: ts.Node | undefined): string | null {
  if (node === undefined) return null;
  return ts.isIdentifier(node) || ts.isPrivateIdentifier(node) || ts.isStringLiteral(node) ? node.text : null;
}

function valueIn(node: ts.Node): { name: string; value: ts.Node } | null {
  let [target, given]: [ts.Node | undefined, ts.Node | undefined] = [undefined, undefined];
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node))
    [target, given] = [node.name, node.initializer];
  else if (ts.isShorthandPropertyAssignment(node)) [target, given] = [node.name, node.name];
  else if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken)
    [target, given] = [ts.isPropertyAccessExpression(node.left) ? node.left.name : node.left, node.right];
  const name = nameOf(target);
  return name === null || given === undefined ? null : { name, value: given };
}

/** What `this.#files.sync` is made of; a part without a name is left out. */
function pathOf(node: ts.Node): string[] {
  if (ts.isPropertyAccessExpression(node)) return [...pathOf(node.expression), node.name.text];
  if (ts.isNonNullExpression(node) || ts.isParenthesizedExpression(node)) return pathOf(node.expression);
  return ts.isIdentifier(node) ? [node.text] : [];
}

const COMPARING: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
]);

/** A part of `&&` or `||`, or the whole; a comparison or negation; and what an `if`, a loop or a `?:` asks. */
function isCondition(node: ts.Node): boolean {
  if (ts.isParenthesizedExpression(node)) return false;
  let { parent } = node;
  let child = node;
  while (ts.isParenthesizedExpression(parent)) [child, parent] = [parent, parent.parent];
  if (isNegation(parent)) return false;
  if (isLogical(node) || isNegation(node) || (ts.isBinaryExpression(node) && COMPARING.has(node.operatorToken.kind))) return true;
  if (ts.isBinaryExpression(parent) && isLogical(parent)) return parent.operatorToken !== child;
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent)) return parent.expression === child;
  return (ts.isForStatement(parent) || ts.isConditionalExpression(parent)) && parent.condition === child;
}

function isNegation(node: ts.Node): boolean {
  return ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken;
}

function isLogical(node: ts.Node): boolean {
  if (!ts.isBinaryExpression(node)) return false;
  const { kind } = node.operatorToken;
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;
}

/** None of the others is within it. */
function isInnermost(node: ts.Node, _: number, all: readonly ts.Node[]): boolean {
  return !all.some((other) => other !== node && other.pos >= node.pos && other.end <= node.end);
}

function nodesIn(within: ts.Node, isOne: (node: ts.Node) => boolean): ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (isOne(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(within);
  return found;
}

function hasNames(within: ts.Node, names: readonly string[]): boolean {
  const own = new Set(nodesIn(within, isName).map((node) => (ts.isNumericLiteral(node) ? node.getText() : (node as ts.Identifier).text)));
  return names.every((name) => own.has(name));
}

function isName(node: ts.Node): boolean {
  return ts.isIdentifier(node) || ts.isPrivateIdentifier(node) || ts.isStringLiteral(node) || ts.isNumericLiteral(node);
}

/** @throws Error with what there is instead of one */
function only(found: readonly ts.Node[], all: readonly ts.Node[]): ts.Node {
  const [one, ...others] = found;
  if (one !== undefined && others.length === 0) return one;
  const shown = (one === undefined ? all : found).map((node) => `\`${brief(node)}\``).join(", ");
  throw new Error(one === undefined ? `none is there, but ${shown || "nothing of the kind"}` : `${found.length} are there: ${shown}`);
}

function brief(node: ts.Node): string {
  const shown = node.getText().replaceAll(/\s+/g, " ");
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}

function replaced(node: ts.Node, text: string): Splice {
  return { start: node.getStart(), end: node.end, text };
}

/** Nothing in the place of a call whose value nobody uses. */
function removed(called: ts.Node): Splice {
  let node = called;
  while (ts.isAwaitExpression(node.parent) || ts.isVoidExpression(node.parent) || ts.isParenthesizedExpression(node.parent))
    node = node.parent;
  if (ts.isExpressionStatement(node.parent)) return replaced(node.parent, ";");
  if (ts.isSpreadElement(node.parent)) return replaced(node, "[]");
  throw new Error("its value is used: say what to put in its place");
}

/** The position after a token, where it comes next. */
function next(source: ts.SourceFile, at: number, token: string): number {
  const after = at + (/^\s*/.exec(source.text.slice(at))?.[0].length ?? 0);
  return source.text.startsWith(token, after) ? after + token.length : at;
}

/** Without commas before an end, which formatters put there and take away. */
function tokensOf(within: ts.Node): ts.Node[] {
  const source = within.getSourceFile();
  const tokens: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(source).filter((child) => !ts.isJSDoc(child));
    if (children.length > 0) children.forEach(visit);
    else if (node.end > node.getStart(source)) tokens.push(node);
  };
  visit(within);
  return tokens.filter(({ kind }, i) => kind !== ts.SyntaxKind.CommaToken || !/^[)\]}]$/.test(tokens[i + 1]?.getText() ?? ""));
}

/** The token as it is written, whatever quotes it has. */
function spelling(token: ts.Node | undefined): string | undefined {
  return token !== undefined && ts.isStringLiteral(token) ? JSON.stringify(token.text) : token?.getText();
}
