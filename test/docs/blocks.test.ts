/** Blocks of the documents that are no programs: commands have their options, configurations and policies are read by what reads them. */
import { existsSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { expect } from "chai";
import { parse } from "yaml";
import { parseEntities } from "../../src/adapters/authzen/entities.js";
import { parseEnvoyMapping } from "../../src/adapters/envoy/mapping.js";
import { parseOpaMapping } from "../../src/adapters/opa/mapping.js";
import { parseOtelMapping } from "../../src/adapters/otlp/mapping.js";
import { readTable } from "../../src/authoring/table.js";
import { compilePurposes } from "../../src/bundle/purposes.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { COMMANDS } from "../../src/cli/main.js";
import { ObservedAction, ReportNotice } from "../../src/contract/index.js";
import { readYamlDocument } from "../../src/facts/import_file.js";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { parseConsoleConfig } from "../../src/console/config.js";
import { parseConfig } from "../../src/system/config.js";
import { asset } from "../../src/system/paths.js";
import { schemas } from "../../src/system/schemas.js";
import { blocksIn, blocksOfDocuments, type Block } from "./blocks.js";
import { commandsIn } from "./shell.js";

const blocks = blocksOfDocuments();
const SHELLS = new Set(["console", "sh"]);

/** What every `remit.yaml` needs beside the section that a block shows. */
const BASE = `identity:
  issuers: [{issuer: "https://issuer.example.com", audience: {callers: remit, agents: remit-agents}, keys: [{kid: k, algorithm: ES256, file: k.pem}]}]
bundle: {name: customer_support, keys: [customer_support.pub.pem], path: customer_support.tar.gz, state_dir: state}
facts: {store: store}
log: {dir: records}
`;

function words(): ReturnType<typeof compileVocabulary> {
  return compileVocabulary(new Sheet("vocabulary.yaml", readFileSync(asset("rego", "policies", "customer_support", "vocabulary.yaml"))));
}

function sheetOf(text: string, read: (sheet: Sheet) => unknown): void {
  const sheet = new Sheet("block.yaml", text);
  read(sheet);
  const errors = sheet.notes.filter(({ severity }) => severity === "error");
  expect(errors.map(({ line, message }) => `line ${line}: ${message}`)).to.deep.equal([]);
}

function jsonOf(text: string, schema: object): void {
  const validate = schemas({ formats: { "date-time": true }, keywords: ["unit"], strict: false }).compile(schema);
  expect(validate(JSON.parse(text)), JSON.stringify(validate.errors)).to.equal(true);
}

/** The shipped rules, without what a document leaves out of their METADATA. */
const SHIPPED_RULES = readFileSync(asset("rego", "policies", "customer_support", "rules.rego"), "utf8").replace(
  /^# description: .*\n/gm,
  "",
);

/** What `<!-- is: … -->` may name. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  "remit.yaml": (text) => parseConfig(BASE + text, "remit.yaml"),
  "guard.yaml": (text) => parseGuardConfig(text, "guard.yaml"),
  "console.yaml": (text) => parseConsoleConfig(text, "console.yaml"),
  "envoy.yaml": (text) => parseEnvoyMapping(text, "envoy.yaml"),
  "opa.yaml": (text) => parseOpaMapping(text, "opa.yaml"),
  "otel.yaml": (text) => parseOtelMapping(text, "otel.yaml"),
  "entities.yaml": (text) => parseEntities(text, "entities.yaml", 100),
  // Rules are compiled and tested where they ship.
  "rules.rego": (text) => {
    expect(SHIPPED_RULES).to.include(text);
  },
  "facts.yaml": (text) => readYamlDocument(Buffer.from(text), "facts.yaml"),
  "vocabulary.yaml": (text) => {
    sheetOf(text, compileVocabulary);
  },
  "purposes.yaml": (text) => {
    sheetOf(text, (sheet) => compilePurposes(sheet, words()));
  },
  table: (text) => {
    sheetOf(text, (sheet) => readTable(sheet, words()));
  },
  "table of this page's vocabulary": (text) => {
    const page = blocks.find((block) => block.text === text)?.at.split(":")[0] ?? "";
    const vocabulary = blocks.find(({ at, is }) => at.startsWith(`${page}:`) && is === "vocabulary.yaml");
    const own = compileVocabulary(new Sheet("vocabulary.yaml", vocabulary?.text ?? ""));
    sheetOf(text, (sheet) => readTable(sheet, own));
  },
  ObservedAction: (text) => {
    jsonOf(text, ObservedAction);
  },
  ReportNotice: (text) => {
    jsonOf(text, ReportNotice);
  },
};

async function remit(): Promise<Command> {
  const program = new Command("remit");
  const silent = { out: () => undefined, err: () => undefined, paint: (_: string, text: string) => text };
  for (const load of Object.values(COMMANDS)) await (await load())(program, silent, () => undefined);
  return program;
}

/** Why a command line can't be meant; null: its command, its options and the number of its arguments exist. */
function faultOf(program: Command, line: readonly string[]): string | null {
  let command = program;
  let rest = line.slice(1);
  for (let next = sub(command, rest[0]); next !== undefined; next = sub(command, rest[0])) {
    command = next;
    rest = rest.slice(1);
  }
  const { operands, unknown } = command.parseOptions(rest);
  const said = line.join(" ");
  const [first] = unknown;
  if (first !== undefined && !rest.includes("--") && first !== "--help") return `${said}: unknown ${first}`;
  const names = command.registeredArguments;
  if (command.commands.length > 0 && names.length === 0) return `${said}: no such command`;
  if (operands.length < names.filter(({ required }) => required).length) return `${said}: an argument is missing`;
  if (operands.length > names.length && !names.some(({ variadic }) => variadic)) return `${said}: too many arguments`;
  return null;
}

function sub(command: Command, name: string | undefined): Command | undefined {
  return command.commands.find((one) => one.name() === name || (name !== undefined && one.aliases().includes(name)));
}

describe("commands in the documents", () => {
  let program: Command;
  before(async () => {
    program = await remit();
  });

  for (const block of blocks.filter(({ language }) => SHELLS.has(language))) {
    const lines = commandsIn(block);
    it(`${block.at} has commands and options that exist`, () => {
      const faults = lines.flatMap((line) => {
        const [name, ...args] = line;
        if (name === "remit") return faultOf(program, line) ?? [];
        const target = name === "make" ? args[0] : undefined;
        if (target !== undefined)
          return new RegExp(`^${target}:`, "m").test(readFileSync(asset("Makefile"), "utf8")) ? [] : `no target ${target}`;
        const script = name === "node" && args[0]?.startsWith("dist/") === true ? args[0] : undefined;
        return script === undefined || existsSync(asset(script)) ? [] : `no file ${script}`;
      });
      expect(faults).to.deep.equal([]);
    });
  }

  const bad: [line: string, fault: RegExp][] = [
    ["remit serv", /no such command/],
    ["remit agents crate x", /no such command/],
    ["remit audit verify records --kye k", /unknown --kye/],
    ["remit outcome", /an argument is missing/],
  ];
  for (const [line, fault] of bad) {
    it(`would not let \`${line}\` stand`, () => {
      const [words = []] = commandsIn({ language: "sh", text: line });
      expect(faultOf(program, words)).to.match(fault);
    });
  }
});

describe("commands of a block", () => {
  const cases: [what: string, language: string, text: string, words: string[][]][] = [
    ["comments, pipes and lists", "sh", "a b # c\nd | e; f && g", [["a", "b"], ["d"], ["e"], ["f"], ["g"]]],
    ["quotes", "sh", `a 'b # c' "d | e"`, [["a", "b # c", "d | e"]]],
    ["redirections", "sh", "a < b > c 2> d e", [["a", "e"]]],
    ["lines that go on", "sh", "a \\\n  b", [["a", "b"]]],
    [
      "a session without its output",
      "console",
      "$ a \\\n  b\nout put\n$ c -d '{\n  \"x\": 1}'\nmore",
      [
        ["a", "b"],
        ["c", "-d", '{\n  "x": 1}'],
      ],
    ],
  ];
  for (const [what, language, text, words] of cases) {
    it(`are read with ${what}`, () => {
      expect(commandsIn({ language, text })).to.deep.equal(words);
    });
  }
});

describe("data in the documents", () => {
  const data = blocks.filter(({ language }) => !SHELLS.has(language) && language !== "ts");

  for (const block of data.filter(({ notRun }) => notRun === null)) {
    it(`${block.at} is ${block.is ?? "marked with what it is, or why it isn't read"}`, () => {
      expect(Object.keys(READERS)).to.include(block.is);
      READERS[block.is ?? ""]?.(block.text);
    });
  }

  for (const block of data.filter(({ language, notRun }) => notRun !== null && (language === "json" || language === "yaml"))) {
    it(`${block.at} is at least ${block.language}`, () => {
      expect(() => (block.language === "json" ? (JSON.parse(block.text) as unknown) : (parse(block.text) as unknown))).to.not.throw();
    });
  }

  it("has languages that something here checks", () => {
    expect(
      [...new Set(blocks.map(({ language }) => language))].filter(
        (one) => !["console", "sh", "ts", "yaml", "json", "rego", "lua", "vim"].includes(one),
      ),
    ).to.deep.equal([]);
  });

  it("reads marks only where they stand right above their block", () => {
    const text = "<!-- not run: why -->\n\n```yaml\na: 1\n```\n\n```yaml\nb: 1\n```\n";
    expect(blocksIn("x.md", text).map(({ notRun }) => notRun)).to.deep.equal(["why", null]);
  });

  after(() => {
    const marked = blocks.filter((block): block is Block & { notRun: string } => block.notRun !== null);
    console.log(`    not run: ${marked.length}\n${marked.map(({ at, notRun }) => `      ${at}: ${notRun}`).join("\n")}`);
  });
});
