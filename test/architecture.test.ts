import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect } from "chai";
import ts from "typescript";
import { manifestOf, packageFolders } from "../scripts/packages.js";
import { asset } from "../src/system/paths.js";

/** What each room may use besides itself, `contract` and `system`. A room that isn't here is refused. */
const MAY_USE: Record<string, readonly string[] | "everything"> = {
  contract: [],
  system: [],
  decision: [],
  policy: ["decision", "bundle"],
  facts: ["decision", "store"],
  behavior: ["decision"],
  audit: ["decision"],
  identity: ["decision"],
  bundle: [],
  store: [],
  cluster: ["store"],
  explain: ["bundle", "decision"],
  authoring: ["bundle", "decision", "explain", "flow", "policy"],
  replay: ["audit", "bundle", "decision", "policy"],
  review: ["audit", "explain", "bundle", "decision", "policy", "replay"],
  records: ["audit", "decision"],
  telemetry: ["decision"],
  upload: ["audit", "records"],
  sources: ["upload"],
  findings: ["audit", "decision", "records"],
  flow: ["decision"],
  // Calls of any protocol, in the words of an action.
  mapping: [],
  // What others speak, in the words of the one decision; what else they need is passed in.
  adapters: ["decision", "identity", "audit", "mapping"],
  client: [],
  guards: ["client", "flow", "mapping"],
  // A process between browsers and a service: it asks as any caller does.
  console: ["client"],
  // Scripts that run in a browser: the build puts them and all that they use into files that the console sends.
  "console/browser": ["console", "authoring", "bundle", "explain", "flow", "replay"],
  // Routes, on what the service hands them.
  http: [
    ...["adapters", "audit", "cluster", "decision", "facts", "findings", "mapping"],
    ...["identity", "policy", "records", "sources", "store", "telemetry"],
  ],
  // What puts all rooms together, and the doors that open on it.
  service: "everything",
  cli: "everything",
  embedded: "everything",
};
const DOORS = ["http", ...Object.keys(MAY_USE).filter((room) => MAY_USE[room] === "everything")];

const BROWSER = "console/browser";

interface Import {
  from: string;
  specifier: string;
}

/** A file's room: its first folder below `src`, or its own name where it stands there alone. */
const roomOf = (path: string): string =>
  path.startsWith("console/page/") ? BROWSER : path.startsWith(`${BROWSER}/`) ? BROWSER : (path.split("/")[0] ?? "").replace(/\.ts$/, "");

/** What is wrong with these imports; `path`s are relative to `src`. */
function violations(imports: Import[]): string[] {
  return imports.flatMap(({ from, specifier }) => {
    const wrong = (why: string): string[] => [`${from}: ${specifier}: ${why}`];
    const room = roomOf(from);
    const allowed = MAY_USE[room];
    if (allowed === undefined) return wrong(`no rule for the room ${room}`);
    if (!specifier.startsWith(".")) {
      if (room === "client") return wrong("the client needs nothing but what has fetch");
      return room === "contract" && specifier !== "typebox" ? wrong("contract depends on nothing but its schemas") : [];
    }
    const target = normalize(join(dirname(from), specifier));
    if (target.startsWith("..")) return wrong("outside src");
    const used = roomOf(target.replace(/\.js$/, ".ts"));
    if (used === room) return [];
    if (room === "contract") return wrong("contract uses nothing");
    if (room === "client") return used === "contract" ? [] : wrong("the client uses only contract");
    if (room === "system") return used === "contract" ? [] : wrong("system uses only contract");
    if (used === "contract" || used === "system" || allowed === "everything") return [];
    if (room === "decision") return wrong("decision uses only contract and system");
    if (DOORS.includes(used)) return wrong("a door is used by no room");
    return allowed.includes(used) ? [] : wrong(`${room} doesn't know ${used}`);
  });
}

/** What a source names. */
interface Names {
  text: string;
  imports: Import[];
  loads: string[];
}

/** By path, of the text that was read last: each check asks for all files, and parsing them takes seconds. */
const readBefore = new Map<string, Names>();

function read(path: string, text: string): Names {
  const known = readBefore.get(path);
  if (known?.text === text) return known;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const names = { text, imports: importsIn(path, source), loads: loadsIn(path, source) };
  readBefore.set(path, names);
  return names;
}

/** Every module that a source text names: imports, re-exports, `import()` and types' imports. */
const importsOf = (path: string, text: string): Import[] => read(path, text).imports;

function importsIn(path: string, source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) found.push({ from: path, specifier: node.text });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "require") add(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function sources(folder: string): { path: string; text: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(folder, file), text: readFileSync(file, "utf8") }));
}

describe("the rooms and their arrows", () => {
  const files = sources(asset("src"));
  const imports = files.flatMap(({ path, text }) => importsOf(path, text));

  it("hold for every import of the sources", () => {
    expect(files.length).to.be.above(20);
    expect(imports.length).to.be.above(files.length);
    expect(violations(imports)).to.deep.equal([]);
  });

  it("keep to declared dependencies: nothing is used at run time that only tests have", () => {
    const manifest = JSON.parse(readFileSync(asset("package.json"), "utf8")) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const names = (inBrowser: boolean): string[] =>
      imports
        .filter(({ from, specifier }) => (roomOf(from) === BROWSER) === inBrowser && !/^(?:\.|node:|virtual:)/.test(specifier))
        .map(({ specifier }) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "");
    const missing = (inBrowser: boolean, known: object): string[] => names(inBrowser).filter((name) => !Object.hasOwn(known, name));
    expect(missing(false, manifest.dependencies)).to.deep.equal([]);
    expect(missing(true, { ...manifest.dependencies, ...manifest.devDependencies })).to.deep.equal([]);
  });

  it("give out only modules that there are", () => {
    const manifests = packageFolders().map(manifestOf);
    const named = manifests.flatMap(({ exports = {}, bin = {} }) => [...Object.values(exports), ...Object.values(bin)]);
    expect(named.length).to.be.above(10);
    const given = named.map((path) => path.replace(/^(?:\.\/)?dist\/src\//, "").replace(/\.js$/, ".ts"));
    const sources = new Set(files.map(({ path }) => path));
    expect(given.filter((path) => !sources.has(path))).to.deep.equal([]);
  });

  it("have no cycle of files that a load would meet half-made", () => {
    const graph = new Map(files.map(({ path, text }) => [path, valueImports(path, text)]));
    expect(cycleIn(graph)).to.deep.equal([]);
    const planted = new Map([...graph, ["contract/time.ts", ["contract/planted.ts"]], ["contract/planted.ts", ["contract/time.ts"]]]);
    expect(cycleIn(planted)).to.include("contract/planted.ts");
  });

  it("have no cycle of files that name each other's types", () => {
    const named = (path: string, text: string): string[] =>
      importsOf(path, text)
        .filter(({ specifier }) => specifier.startsWith("."))
        .map(({ specifier }) => normalize(join(dirname(path), specifier)).replace(/\.js$/, ".ts"));
    const graph = new Map(files.map(({ path, text }) => [path, named(path, text)]));
    expect(cycleIn(graph)).to.deep.equal([]);
    const planted = new Map([...graph, ["decision/ports.ts", [...(graph.get("decision/ports.ts") ?? []), "decision/attempt.ts"]]]);
    expect(cycleIn(planted)).to.include("decision/attempt.ts");
  });

  it("have a client, and guards of HTTP, that load contract and client alone, and no package", () => {
    const graph = new Map(files.map(({ path, text }) => [path, loads(path, text)]));
    for (const door of ["client/index.ts", "guards/http.ts"]) {
      const loaded = new Set([door]);
      for (const path of loaded) for (const next of graph.get(path) ?? []) loaded.add(next);
      expect(loaded.size, door).to.be.above(20);
      expect(
        [...loaded].filter((path) => !/^(client|contract|guards\/http)/.test(path)),
        door,
      ).to.deep.equal([]);
    }
  });

  it("have an engine for applications that loads no server, nothing that only authors need, and one native module, for its lock", () => {
    const graph = new Map(files.map(({ path, text }) => [path, loads(path, text)]));
    // With what its threads load.
    const loaded = new Set(["embedded.ts", "audit/log/worker.ts", "policy/compile_worker.ts"]);
    for (const path of loaded) for (const next of graph.get(path) ?? []) loaded.add(next);
    expect(loaded.size).to.be.above(100);
    const packages = [...loaded].filter((path) => !path.endsWith(".ts") && !path.startsWith("node:"));
    expect(packages.sort()).to.deep.equal(["better-sqlite3", "jsonwebtoken", "tar-stream"]);
    expect([...loaded].filter((path) => /^(http|cli|service\.ts|authoring|replay|review|identity)\b/.test(path))).to.deep.equal([]);
  });

  it("have threads that begin with a service and load no schema", () => {
    const graph = new Map(files.map(({ path, text }) => [path, loads(path, text)]));
    const loaded = new Set(["audit/log/worker.ts", "store/worker.ts"]);
    for (const path of loaded) for (const next of graph.get(path) ?? []) loaded.add(next);
    expect([...loaded].filter((path) => path.startsWith("contract/")).sort()).to.deep.equal([
      "contract/record_version.ts",
      "contract/time.ts",
    ]);
  });

  const planted: [from: string, statement: string, why: RegExp][] = [
    ["contract/time.ts", 'import { systemClock } from "../system/index.js"', /contract uses nothing/],
    ["contract/time.ts", 'import moment from "moment-timezone"', /nothing but its schemas/],
    ["client/client.ts", 'import { system } from "../system/index.js"', /client uses only contract/],
    ["client/client.ts", 'import type { Facts } from "../decision/ports.js"', /client uses only contract/],
    ["client/outside.ts", 'import { randomUUID } from "node:crypto"', /nothing but what has fetch/],
    ["client/transport.ts", 'import { Agent } from "undici"', /nothing but what has fetch/],
    ["guards/http.ts", 'import { decider } from "../decision/decide.js"', /guards doesn't know decision/],
    ["system/index.ts", 'import { floor } from "../decision/floor.js"', /system uses only contract/],
    ["decision/decide.ts", 'import { Engine } from "../policy/engine.js"', /decision uses only/],
    ["decision/decide.ts", 'import type { Facts } from "../facts/index.js"', /decision uses only/],
    ["decision/decide.ts", 'export * from "../bundle/verify.js"', /decision uses only/],
    ["decision/decide.ts", 'const a = await import("../audit/log/log.js")', /decision uses only/],
    ["decision/decide.ts", 'type A = import("../identity/tokens.js").A', /decision uses only/],
    ["policy/engine.ts", 'import { facts } from "../facts/index.js"', /policy doesn't know facts/],
    ["policy/deep/er.ts", 'import { facts } from "../../facts/index.js"', /policy doesn't know facts/],
    ["facts/index.ts", 'import { log } from "../audit/log/log.js"', /facts doesn't know audit/],
    ["facts/index.ts", 'import { open } from "../bundle/archive.js"', /facts doesn't know bundle/],
    ["audit/log/log.ts", 'import { engine } from "../../policy/engine.js"', /audit doesn't know policy/],
    ["identity/tokens.ts", 'import { facts } from "../facts/index.js"', /identity doesn't know facts/],
    ["behavior/profile.ts", 'import { facts } from "../facts/index.js"', /behavior doesn't know facts/],
    ["store/keeper.ts", 'import type { Facts } from "../decision/ports.js"', /store doesn't know decision/],
    ["store/keeper.ts", 'import { registry } from "../facts/registry.js"', /store doesn't know facts/],
    ["adapters/authzen/search.ts", 'import { registry } from "../../facts/registry.js"', /adapters doesn't know facts/],
    ["decision/decide.ts", 'import { mapping } from "../adapters/authzen/mapping.js"', /decision uses only/],
    ["bundle/build.ts", 'import { engine } from "../policy/engine.js"', /bundle doesn't know policy/],
    ["bundle/build.ts", 'import { table } from "../authoring/table.js"', /bundle doesn't know authoring/],
    ["policy/engine.ts", 'import { app } from "../http/server.js"', /a door is used by no room/],
    ["http/deps.ts", 'import type { ClusterNode } from "../service/cluster.js"', /a door is used by no room/],
    ["authoring/test.ts", 'import { main } from "../cli/main.js"', /a door is used by no room/],
    ["facts/index.ts", 'import { start } from "../service.js"', /a door is used by no room/],
    ["http/server.ts", 'import { load } from "../../bench/load.js"', /outside src/],
    ["service.ts", 'import { World } from "../test/decision/world.js"', /outside src/],
    ["basement/index.ts", 'import { canonical } from "../contract/index.js"', /no rule for the room/],
  ];
  for (const [from, statement, why] of planted) {
    it(`refuse ${statement} in ${from}`, () => {
      const found = violations(importsOf(from, `${statement};`));
      expect(found).to.have.lengthOf(1);
      expect(found[0]).to.match(why);
    });
  }

  const permitted: [from: string, statement: string][] = [
    ["policy/engine.ts", 'import type { VerifiedBundle } from "../bundle/index.js"'],
    ["policy/engine.ts", 'import type { Engine } from "../decision/ports.js"'],
    ["facts/index.ts", 'import type { Facts } from "../decision/ports.js"'],
    ["decision/decide.ts", 'import { uuid7 } from "../system/uuid.js"'],
    ["http/decide.ts", 'import { decider } from "../decision/decide.js"'],
    ["service.ts", 'import { facts } from "./facts/index.js"'],
    ["contract/decision.ts", 'import { Type } from "typebox"'],
  ];
  for (const [from, statement] of permitted) {
    it(`let ${from} say ${statement}`, () => {
      expect(violations(importsOf(from, `${statement};`))).to.deep.equal([]);
    });
  }
});

/** The files that a module makes Node load: what is imported for its values. */
function valueImports(path: string, text: string): string[] {
  return loads(path, text).filter((name) => name.endsWith(".ts"));
}

/** As `valueImports`, packages too, by their names. */
const loads = (path: string, text: string): string[] => read(path, text).loads;

function loadsIn(path: string, source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return [];
    const typesOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || namesOnlyTypes(statement.importClause)
      : statement.isTypeOnly;
    if (typesOnly) return [];
    if (!moduleSpecifier.text.startsWith(".")) return [moduleSpecifier.text];
    return [normalize(join(dirname(path), moduleSpecifier.text)).replace(/\.js$/, ".ts")];
  });
}

function namesOnlyTypes(clause: ts.ImportClause | undefined): boolean {
  const named = clause?.namedBindings;
  return (
    clause?.name === undefined && named !== undefined && ts.isNamedImports(named) && named.elements.every((element) => element.isTypeOnly)
  );
}

/** Files of one cycle, or none. */
function cycleIn(graph: ReadonlyMap<string, string[]>): string[] {
  const done = new Set<string>();
  const walk = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return path.slice(path.indexOf(file));
    if (done.has(file)) return [];
    for (const next of graph.get(file) ?? []) {
      const cycle = walk(next, [...path, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const cycle = walk(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
