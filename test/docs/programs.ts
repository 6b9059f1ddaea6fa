/** TypeScript examples as modules: type-checked in one program against the package's own exports, then run in a process of their own. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { asset } from "../../src/system/paths.js";
import type { Block } from "./blocks.js";

/** Within the package, so that `@remit-pdp/client` is itself. */
const FOLDER = asset("dist", "test", "docs", "run");
/** As a user's project has it. */
const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  strict: true,
  skipLibCheck: true,
  types: ["node"],
};

export interface Example {
  at: string;
  /** Its module, which exports `example`. */
  module: string;
  /** What the compiler finds, with the line in the document. */
  errors: string[];
}

/** Writes, checks and compiles each. Statements go into a function, so that an example may return and await. */
export function compileExamples(blocks: readonly Block[], given: readonly string[]): Example[] {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const files = blocks.map((block, i) => {
    const text = moduleOf(block, given);
    const file = join(FOLDER, `example_${i}.ts`);
    writeFileSync(file, text);
    return { block, file };
  });
  const program = ts.createProgram(
    files.map(({ file }) => file),
    OPTIONS,
  );
  const found = ts.getPreEmitDiagnostics(program);
  program.emit();
  const others = found.filter(({ file }) => !files.some((one) => one.file === file?.fileName));
  if (others.length > 0) throw new Error(others.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")).join("\n"));
  return files.map(({ block, file }) => ({
    at: block.at,
    module: file.replace(/ts$/, "js"),
    errors: found
      .filter((one) => one.file?.fileName === file)
      .map(({ messageText, start = 0, file: source }) => {
        const line = source?.getLineAndCharacterOfPosition(start).line ?? 0;
        return `${source?.text.split("\n")[line]?.trim()}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
      }),
  }));
}

function moduleOf({ at, text }: Block, given: readonly string[]): string {
  const source = ts.createSourceFile("example.ts", text, ts.ScriptTarget.ES2022, true);
  const [imports, statements] = [
    source.statements.filter(ts.isImportDeclaration),
    source.statements.filter((one) => !ts.isImportDeclaration(one)),
  ];
  const used = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) used.add(node.text);
    ts.forEachChild(node, visit);
  };
  statements.forEach(visit);
  for (const { importClause } of imports) {
    if (importClause?.name !== undefined) declared.add(importClause.name.text);
    const bindings = importClause?.namedBindings;
    if (bindings !== undefined && ts.isNamedImports(bindings)) for (const { name } of bindings.elements) declared.add(name.text);
  }
  for (const statement of statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name !== undefined) declared.add(statement.name.text);
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name } of statement.declarationList.declarations) if (ts.isIdentifier(name)) declared.add(name.text);
  }
  const names = given.filter((name) => used.has(name) && !declared.has(name));
  const lines = [
    `// ${at}`,
    ...imports.map((one) => one.getText()),
    ...(names.length > 0 ? [`import { ${names.join(", ")} } from "../given.js";`] : []),
    "export async function example(): Promise<unknown> {",
    ...statements.map((one) => one.getFullText()),
    "return undefined;",
    "}",
  ];
  return lines.join("\n");
}
