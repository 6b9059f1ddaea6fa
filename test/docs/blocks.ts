/** Examples as they stand in the documents and in docstrings of public functions. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { PACKAGE_ROOT } from "../../src/system/paths.js";

export interface Block {
  /** `docs/mcp.md:27`. */
  at: string;
  language: string;
  text: string;
  /** `<!-- not run: reason -->` above it. */
  notRun: string | null;
  /** `<!-- is: guard.yaml -->` above it: the reader that has to accept it. */
  is: string | null;
}

const FENCE = /^( *)```(\w*)$/;
const COMMENT = /^ *<!-- (not run|is): (.+) -->$/;
/** Pictures, files of other programs, and SQL, which test/records/sql.long.test.ts runs. */
const NOT_EXAMPLES = new Set(["mermaid", "ini", "sql"]);

/** Fenced blocks of the README and the documents, in order. */
export function blocksOfDocuments(): Block[] {
  const documents = readdirSync(join(PACKAGE_ROOT, "docs")).filter((file) => file.endsWith(".md"));
  return ["README.md", "CONTRIBUTING.md", ...documents.map((file) => join("docs", file))].flatMap((file) =>
    blocksIn(file, readFileSync(join(PACKAGE_ROOT, file), "utf8")),
  );
}

export function blocksIn(file: string, text: string): Block[] {
  const blocks: Block[] = [];
  const marks = new Map<string, string>();
  let open: { block: Block; indent: string; lines: string[] } | null = null;
  for (const [i, line] of text.split("\n").entries()) {
    const [, indent = "", language = ""] = FENCE.exec(line) ?? [];
    if (open !== null) {
      if (FENCE.test(line) && language === "") {
        blocks.push({ ...open.block, text: open.lines.join("\n") });
        open = null;
      } else open.lines.push(line.slice(open.indent.length));
      continue;
    }
    const [, mark, said] = COMMENT.exec(line) ?? [];
    if (mark !== undefined && said !== undefined) marks.set(mark, said);
    else if (FENCE.test(line)) {
      const block = { at: `${file}:${i + 1}`, language, text: "", notRun: marks.get("not run") ?? null, is: marks.get("is") ?? null };
      open = { block, indent, lines: [] };
      marks.clear();
    } else if (line.trim() !== "") marks.clear();
  }
  if (open !== null) throw new Error(`${open.block.at}: the block has no end`);
  return blocks.filter(({ language }) => !NOT_EXAMPLES.has(language));
}

/** A function or method that a user of the package may call. */
export interface PublicFunction {
  name: string;
  at: string;
  tags: readonly string[];
  examples: Block[];
}

/** Functions, and methods of classes and interfaces, that the package exports; of a class its constructor counts as the class. */
export function publicFunctions(entries: readonly string[], callable: readonly string[]): PublicFunction[] {
  const options: ts.CompilerOptions = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, skipLibCheck: true, types: [] };
  const program = ts.createProgram([...entries], options);
  const checker = program.getTypeChecker();
  const found = new Map<string, PublicFunction>();
  const add = (name: string, node: ts.Node): void => {
    const source = node.getSourceFile();
    const line = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
    const file = source.fileName.slice(PACKAGE_ROOT.length + 1);
    const tags = ts.getJSDocTags(node);
    const examples = tags
      .filter((tag) => tag.tagName.text === "example")
      .map((tag) => ({
        at: `${file}:${line(tag.getStart())}`,
        language: "ts",
        text: ts.getTextOfJSDocComment(tag.comment) ?? "",
        notRun: null,
        is: null,
      }));
    const at = `${file}:${line(node.getStart())}`;
    const before = found.get(at);
    found.set(at, { name, at, tags: tags.map((tag) => tag.tagName.text), examples: before?.examples ?? examples });
  };
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} exports nothing`);
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      for (const node of symbol.declarations ?? []) {
        if (ts.isFunctionDeclaration(node)) add(symbol.name, node);
        if (!callable.includes(symbol.name) || !(ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node))) continue;
        if (ts.isClassDeclaration(node)) add(symbol.name, node);
        for (const member of node.members) {
          const isMethod = ts.isMethodDeclaration(member) || ts.isMethodSignature(member);
          if (isMethod && ts.isIdentifier(member.name)) add(`${symbol.name}.${member.name.text}`, member);
        }
      }
    }
  }
  return [...found.values()];
}

/** Options without `@default` among those that a user may leave out, in the interfaces whose names end in `Options`. */
export function optionsWithoutDefault(entries: readonly string[]): string[] {
  const program = ts.createProgram([...entries], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    skipLibCheck: true,
    types: [],
  });
  const checker = program.getTypeChecker();
  const lacking = new Set<string>();
  const look = (name: string, type: ts.Type): void => {
    for (const member of type.getProperties()) {
      const { valueDeclaration: declared } = member;
      if (declared === undefined) continue;
      const path = `${name}.${member.name}`;
      const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
      if (isOptional && !member.getJsDocTags(checker).some((tag) => tag.name === "default")) lacking.add(path);
      if (ts.isPropertySignature(declared) && declared.type !== undefined && ts.isTypeLiteralNode(declared.type))
        look(path, checker.getTypeAtLocation(declared.type));
    }
  };
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} exports nothing`);
    for (const exported of checker.getExportsOfModule(module)) {
      if (!exported.name.endsWith("Options")) continue;
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      look(exported.name, checker.getDeclaredTypeOfSymbol(symbol));
    }
  }
  return [...lacking];
}
