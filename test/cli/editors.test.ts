/** Files of `remit init` that editors read: schemas of the YAML, and VS Code's settings and tasks. */
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { expect } from "chai";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { asset } from "../../src/system/paths.js";
import { remit } from "./remit.js";

const YAML_FILES = ["vocabulary.yaml", "purposes.yaml", "tables/a_day_at_the_helpdesk.yaml"];

describe("a new policy repository in an editor", () => {
  let desk = "";
  before(async () => {
    desk = join(mkdtempSync(join(tmpdir(), "remit-editors-")), "desk");
    expect((await remit("init", desk)).exit).to.equal("ok");
  });
  after(() => {
    rmSync(dirname(desk), { recursive: true, force: true });
  });
  const read = (...path: string[]): string => readFileSync(join(desk, ...path), "utf8");

  /** Schema that a file names in its first line, which is relative to the file itself. */
  function schemaOf(file: string): string {
    const [, named = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(read(file)) ?? [];
    return resolve(desk, dirname(file), named);
  }

  for (const file of YAML_FILES) {
    it(`has a schema for ${file} that is there, takes the file as it is, and refuses an unknown word`, () => {
      const schema = JSON.parse(readFileSync(schemaOf(file), "utf8")) as object;
      const isValid = new Ajv({ strict: false, validateFormats: false }).compile(schema);
      const value = parse(read(file)) as Record<string, unknown>;
      expect(isValid(value), JSON.stringify(isValid.errors)).to.equal(true);
      expect(isValid({ ...value, unknown_word: 1 })).to.equal(false);
    });
  }

  it("maps each kind of file to the schema that the file names, so that a new one has it too", () => {
    const { "yaml.schemas": schemas } = JSON.parse(read(".vscode", "settings.json")) as { "yaml.schemas": Record<string, string> };
    for (const file of YAML_FILES) {
      const mapped = Object.entries(schemas).find(([, glob]) => glob === file || glob === `${dirname(file)}/*.yaml`);
      expect(mapped?.[0], file).to.equal(relative(desk, schemaOf(file)));
    }
    for (const schema of Object.keys(schemas)) expect(existsSync(asset("rego", "schemas", basename(schema)))).to.equal(true);
  });

  it("has a task that runs the tests, with a matcher for each line of an error", () => {
    const { tasks } = JSON.parse(read(".vscode", "tasks.json")) as {
      tasks: { command: string; problemMatcher: { pattern: { regexp: string } } }[];
    };
    const [{ command, problemMatcher } = { command: "", problemMatcher: { pattern: { regexp: "" } } }] = tasks;
    expect(command).to.equal("remit test");
    const matcher = new RegExp(problemMatcher.pattern.regexp);
    expect(matcher.exec("error: rules.rego:19:2: undefined ref")?.slice(1)).to.deep.equal([
      "error",
      "rules.rego",
      "19",
      "2",
      "undefined ref",
    ]);
    expect(matcher.exec("hint: known: a")).to.equal(null);
  });
});
