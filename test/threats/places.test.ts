import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import ts from "typescript";
import { asset } from "../../src/system/paths.js";
import { cut, type Edit } from "./cut.js";

/** The value of a literal: a string, a template without parts, or a list of such. */
function literalOf(node: ts.Node): string | string[] | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isArrayLiteralExpression(node)) return undefined;
  const items = node.elements.map(literalOf);
  return items.every((item) => typeof item === "string") ? items : undefined;
}

/** The edits that a test file names in literals: calls of the functions of `cut`. */
function editsIn(path: string): Edit[] {
  const text = readFileSync(path, "utf8");
  if (!text.includes("cut.")) return [];
  const found: Edit[] = [];
  const visit = (node: ts.Node): void => {
    ts.forEachChild(node, visit);
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return;
    const { expression, name } = node.expression;
    if (!ts.isIdentifier(expression) || expression.text !== "cut" || !(name.text in cut)) return;
    const given = node.arguments.map(literalOf);
    if (given.includes(undefined)) return;
    found.push((cut[name.text as keyof typeof cut] as (...given: unknown[]) => Edit)(...given));
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  return found;
}

describe("edits that take a control out", () => {
  // A long file's edits would otherwise be missed by a change of names until somebody runs the long tests.
  it("find what they name in today's sources, in long files too", () => {
    const files = readdirSync(asset("test"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".test.ts"));
    const edits = files.flatMap((path) => editsIn(join(asset("test"), path)));
    expect(edits.length).to.be.above(250);
    const sources = new Map<string, ts.SourceFile>();
    const sourceOf = (file: string): ts.SourceFile => {
      const known = sources.get(file);
      if (known !== undefined) return known;
      const path = asset("src", file.replace(/\.js$/, ".ts"));
      const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true);
      sources.set(file, source);
      return source;
    };
    const lost = edits.flatMap((edit) => {
      try {
        edit.find(sourceOf(edit.file));
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    expect(lost).to.deep.equal([]);
  });
});
