/** A decision table: situations, and the decisions that its author wants for them. `docs/policies.md` has the form. */
import type { Values, Vocabulary } from "../contract/index.js";
import type { Path, Sheet } from "../bundle/source.js";
import { CODE } from "../bundle/words.js";
import { GivenReader, type LimitedPurposes, type StartingPoint } from "./starting_point.js";
import { readResourceName, type ResourceName } from "./resource_name.js";

export const VERDICTS = ["allow", "allow and log", "flag", "flag and wait", "deny"] as const;
export type TableVerdict = (typeof VERDICTS)[number];

export interface DecisionTable {
  name: string;
  file: string;
  given: StartingPoint;
  cases: TableCase[];
}

export interface Case {
  name: string;
  verb: string;
  resource: ResourceName;
  /** The table's `given` with this case's changes. */
  given: StartingPoint;
  attributes: Values;
  arguments: Values;
  related: Record<string, ResourceName>;
}

export interface TableCase extends Case {
  line: number;
  wanted: {
    then: TableVerdict;
    /** Codes of the deciding effect, all of them; null where the author doesn't say. */
    because: string[] | null;
  };
}

const CASE_KEYS = ["with", "given", "related", "then", "because"];
export const CASES_MAX = 10_000;

/**
 * Reads a table. Mistakes are in `sheet.notes`; with errors among them, what is returned is only what could be read.
 * @param purposes left out: they are unknown, and codes of limits aren't checked
 */
export function readTable(sheet: Sheet, vocabulary: Vocabulary, purposes?: LimitedPurposes): DecisionTable {
  const said = sheet.fields(sheet.value, [], "a table", ["table", "given", "cases"]);
  const reader = new GivenReader(sheet, vocabulary, purposes);
  const given = reader.read(said["given"], ["given"]);
  const references = reader.takeReferences();
  const name = sheet.text(said["table"], ["table"], "`table`", 128) ?? "";
  const cases = new CaseReader(sheet, vocabulary, reader, given).readAll(said["cases"]);
  // A case may bring the plan of what the table says was seen.
  reader.check(references, given, [given, ...cases.map((one) => one.given)]);
  return { name, file: sheet.file, given, cases };
}

class CaseReader {
  private readonly names = new Map<string, number>();

  constructor(
    private readonly sheet: Sheet,
    private readonly vocabulary: Vocabulary,
    private readonly reader: GivenReader,
    private readonly given: StartingPoint,
  ) {}

  readAll(value: unknown): TableCase[] {
    const { sheet } = this;
    if (!Array.isArray(value) || value.length === 0 || value.length > CASES_MAX) {
      const hint = "write `- what happens: {read: invoice/I-1, then: allow}`";
      sheet.error(["cases"], `\`cases\` must be a list of 1 to ${CASES_MAX} cases`, hint);
      return [];
    }
    return value.flatMap((one: unknown, i) => {
      const members = sheet.map(one, ["cases", i], "a case");
      const [member, ...more] = members;
      if (member === undefined) return [];
      if (more.length > 0) {
        const hint = "write `- what happens: {read: invoice/I-1, then: allow}`";
        sheet.error(["cases", i], "a case is one name and what it says", hint);
        return [];
      }
      const [name, body] = member;
      this.checkName(name, i);
      const read = this.read(name, body, ["cases", i, name]);
      return read === null ? [] : [{ ...read, line: this.line(i) }];
    });
  }

  private line(i: number): number {
    return this.sheet.line(["cases", i]) ?? 1;
  }

  private checkName(name: string, i: number): void {
    const before = this.names.get(name);
    if (before === undefined) this.names.set(name, this.line(i));
    else this.sheet.error(["cases", i], `case \`${name}\` stands at line ${before} too`, "reports tell cases by name");
  }

  private read(name: string, value: unknown, path: Path): Omit<TableCase, "line"> | null {
    const { sheet } = this;
    const known = Object.keys(this.vocabulary.verbs);
    const said = sheet.fields(value, path, "a case", [...known, ...CASE_KEYS]);
    const action = this.action(said, path);
    const wanted = this.wanted(said, path);
    const given = said["given"] === undefined ? this.given : this.reader.change(this.given, said["given"], [...path, "given"]);
    this.reader.check(this.reader.takeReferences(), this.given, [given]);
    if (action === null) return null;
    const { attributes, args } = this.split(said["with"], [...path, "with"], action.resource);
    const related = this.related(said["related"], [...path, "related"], action.resource);
    return wanted === null ? null : { name, ...action, given, attributes, arguments: args, related, wanted };
  }

  private action(said: Record<string, unknown>, path: Path): { verb: string; resource: ResourceName } | null {
    const { sheet, vocabulary } = this;
    const verbs = Object.keys(vocabulary.verbs).filter((verb) => Object.hasOwn(said, verb));
    const [verb, ...more] = verbs;
    if (verb === undefined) {
      sheet.error(path, "the case names no verb", "verbs are keys: `read: invoice/I-1`");
      return null;
    }
    if (more.length > 0) {
      sheet.error(path, `the case names ${verbs.map((one) => `\`${one}\``).join(" and ")}`, "a case is about one action");
      return null;
    }
    const at = [...path, verb];
    const resource = readResourceName(sheet, vocabulary, said[verb], at);
    if (resource === null) return null;
    const collection = vocabulary.verbs[verb]?.collection === true;
    if (collection && resource.id !== null) {
      sheet.error(at, `\`${verb}\` acts on a collection and names no single resource`, `write \`${verb}: ${resource.type}\``);
    } else if (!collection && resource.id === null) {
      sheet.error(at, `\`${verb}\` acts on one ${resource.type}`, `write \`${verb}: ${resource.type}/…\` with its id`);
    }
    return { verb, resource };
  }

  /** `with` names attributes and arguments as paths of `when` do: where both have a name, it is the attribute's. */
  private split(value: unknown, path: Path, { type, spec }: ResourceName): { attributes: Values; args: Values } {
    const { sheet, reader } = this;
    const found = { attributes: {}, args: {} };
    if (value === undefined) return found;
    const all = [...Object.keys(spec.attributes), ...Object.keys(spec.arguments)];
    for (const [name, one] of sheet.map(value, path, "`with`")) {
      const at = [...path, name];
      const argument = Object.hasOwn(spec.arguments, name);
      if (Object.hasOwn(spec.attributes, name)) {
        found.attributes = { ...found.attributes, ...reader.field(spec.attributes, name, one, at) };
      } else if (argument || name.startsWith("arguments.")) {
        const bare = argument ? name : name.slice("arguments.".length);
        if (Object.hasOwn(spec.arguments, bare)) {
          found.args = { ...found.args, ...reader.field(spec.arguments, bare, one, at) };
        } else sheet.unknownWord(at, `argument of \`${type}\``, bare, Object.keys(spec.arguments));
      } else sheet.unknownWord(at, `attribute or argument of \`${type}\``, name, all);
    }
    return found;
  }

  private related(value: unknown, path: Path, { type, spec }: ResourceName): Record<string, ResourceName> {
    const { sheet, vocabulary } = this;
    const found: Record<string, ResourceName> = {};
    if (value === undefined) return found;
    for (const [role, name] of sheet.map(value, path, "`related`")) {
      const at = [...path, role];
      const wanted = Object.hasOwn(spec.related, role) ? spec.related[role] : undefined;
      if (wanted === undefined) {
        sheet.unknownWord(at, `related resource of \`${type}\``, role, Object.keys(spec.related));
        continue;
      }
      const other = readResourceName(sheet, vocabulary, name, at);
      if (other === null) continue;
      if (other.type !== wanted || other.id === null) {
        sheet.error(at, `\`${role}\` of \`${type}\` is one ${wanted}`, `write \`${role}: ${wanted}/…\` with its id`);
      } else found[role] = other;
    }
    return found;
  }

  private wanted(said: Record<string, unknown>, path: Path): TableCase["wanted"] | null {
    const { sheet } = this;
    const then = sheet.oneOf(said["then"], [...path, "then"], "`then`", VERDICTS);
    const at = [...path, "because"];
    if (said["because"] === undefined) {
      if (then === "deny" || then === "flag" || then === "flag and wait") {
        sheet.warn(path, `nothing says why it is \`${then}\``, "a `because` tells this reason from any other");
      }
      return then === null ? null : { then, because: null };
    }
    const because = sheet.words(said["because"], at, "`because`");
    for (const code of because) {
      if (!CODE.test(code)) sheet.error(at, `\`${code}\` is not a code`, "a code is snake_case, with dots at most");
    }
    return then === null ? null : { then, because };
  }
}
