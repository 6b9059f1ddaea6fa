/** `purposes.yaml` → compiled purposes, and what each of their codes means. */
import {
  BUILTIN_REASONS,
  SEVERITIES,
  type Catalogue,
  type CatalogueEntry,
  type Condition,
  type Effect,
  type Entries,
  type Entry,
  type EntryReason,
  type Hours,
  type Obligation,
  type Purpose,
  type Scalar,
  type Severity,
  type Vocabulary,
} from "../contract/index.js";
import { compileApprovers } from "./approvers.js";
import { compileBehavior } from "./behavior.js";
import { TELL_AGENT } from "./catalogue.js";
import { compileFlowPolicy } from "./flow.js";
import { compileOpen } from "./hours.js";
import { compileLimits } from "./limits.js";
import { compileWhen, fits, resolvePath, UnknownWord } from "./matchers.js";
import { unfilled } from "./messages.js";
import type { Path, Sheet } from "./source.js";
import { SOURCE_KEYS, compileAfter, compileLowers, compileSources } from "./sources.js";
import { readAbout, readTargets, type VerbTarget } from "./targets.js";
import { CODE, WORD } from "./words.js";

export const DURATION = /^([1-9]\d{0,5})(ms|s)$/;
const ANSWER_LASTS_MS = { default: 5_000, min: 100, max: 60_000 };
export const ENTRIES_MAX = 1_000;
/** Entries named in a remark, of those that can apply together with one. */
const OVERLAPS_NAMED_MAX = 20;
const NEEDS_MAX = 16;

type Line = "allow" | "flag" | "never";

const PURPOSE_KEYS = [
  ...["statement", "owner", "task", "answer_lasts", "hours", "approvers", "behavior", "flow", "limits", "after", "lowers"],
  ...["allow", "flag", "never"],
];

/** Keys of an entry beside its verbs. */
const ENTRY_KEYS: Record<Line, readonly string[]> = {
  allow: ["about", "when", ...SOURCE_KEYS, "code", "severity", "title", "message", "obligations"],
  flag: ["about", "when", "code", "severity", "title", "message", "tell_agent", "proceed", "needs", "obligations"],
  never: ["about", "when", "code", "severity", "title", "message", "tell_agent"],
};

const EFFECT: Record<Line, Effect> = { allow: "allow", flag: "flag", never: "deny" };
const SEVERITY: Record<Line, Severity> = { allow: "info", flag: "medium", never: "high" };
const MESSAGE: Record<Effect, string> = {
  allow: "purpose {purpose} allows {verb} on {resource}",
  log: "purpose {purpose} logs {verb} on {resource}",
  flag: "purpose {purpose} flags {verb} on {resource}",
  deny: "purpose {purpose} never permits {verb} on {resource}",
};

export interface CompiledPurposes {
  purposes: Record<string, Purpose>;
  catalogue: Catalogue;
  /** Line of each entry in its file. */
  lines: Map<Entry, number>;
}

export function compilePurposes(sheet: Sheet, vocabulary: Vocabulary): CompiledPurposes {
  const compiled: CompiledPurposes = { purposes: {}, catalogue: {}, lines: new Map() };
  const members = sheet.map(sheet.value, [], "the file of purposes");
  if (members.length === 0) sheet.error([], "no purpose is named");
  for (const [id, value] of members) {
    if (!WORD.test(id) || id === "constructor")
      sheet.error([id], `a purpose's id must be snake_case of at most 64 characters, and not \`constructor\``);
    compiled.purposes[id] = new PurposeReader(sheet, vocabulary, id, compiled.catalogue, compiled.lines).read(value);
  }
  return compiled;
}

class PurposeReader {
  /** Flags of entries that permit what is delegated once a person has looked. */
  private readonly waits: { entry: Entry; targets: readonly VerbTarget[] }[] = [];

  constructor(
    private readonly sheet: Sheet,
    private readonly vocabulary: Vocabulary,
    private readonly id: string,
    private readonly catalogue: Catalogue,
    private readonly lines: Map<Entry, number>,
  ) {}

  read(value: unknown): Purpose {
    const { sheet, id } = this;
    const said = sheet.fields(value, [id], `purpose \`${id}\``, PURPOSE_KEYS);
    const allow = this.entries("allow", said["allow"]);
    const flag = this.entries("flag", said["flag"]);
    for (const { entry, targets } of this.waits) put(entry, targets, flag);
    return {
      statement: sheet.text(said["statement"], [id, "statement"], "`statement`") ?? "",
      owner: sheet.text(said["owner"], [id, "owner"], "`owner`") ?? "",
      task: sheet.oneOf(said["task"], [id, "task"], "`task`", ["required", "optional"]) ?? "required",
      answer_lasts_ms: this.duration(said["answer_lasts"], [id, "answer_lasts"]),
      hours: said["hours"] === undefined ? null : this.hours(said["hours"], [id, "hours"]),
      ...compileApprovers(sheet, said["approvers"], [id, "approvers"]),
      behavior: compileBehavior(sheet, said["behavior"], [id, "behavior"]),
      ...compileFlowPolicy(sheet, said["flow"], [id, "flow"], this.vocabulary),
      ...compileLimits(sheet, said["limits"], [id, "limits"], this.vocabulary, (one, path, effect, code, types) =>
        this.reason(one, path, effect, code, "medium", types),
      ),
      ...compileLowers(sheet, said["lowers"], [id, "lowers"], this.vocabulary),
      allow,
      flag,
      never: this.never(said),
    };
  }

  /** Lines of `never`, and what `after` closes. */
  private never(said: Record<string, unknown>): Entries {
    const found = this.entries("never", said["never"]);
    for (const [i, rule] of compileAfter(this.sheet, said["after"], [this.id, "after"], this.vocabulary).entries()) {
      const types = [...new Set(rule.targets.flatMap((target) => target.types))];
      const reason = this.reason(rule.said, rule.at, "deny", `${this.id}.after.${i + 1}`, "high", types);
      const entry: Entry = { about: "any", when: rule.when, reason, obligations: [] };
      this.lines.set(entry, this.sheet.line(rule.at) ?? 1);
      put(entry, rule.targets, found);
    }
    return found;
  }

  private duration(value: unknown, path: Path): number {
    const { default: usual, min, max } = ANSWER_LASTS_MS;
    if (value === undefined) return usual;
    const parts = typeof value === "string" ? DURATION.exec(value) : null;
    const ms = parts === null ? NaN : Number(parts[1]) * (parts[2] === "s" ? 1000 : 1);
    if (ms >= min && ms <= max) return ms;
    this.sheet.error(path, "`answer_lasts` must be from 100ms to 60s", "write 500ms or 5s");
    return usual;
  }

  private hours(value: unknown, path: Path): Hours | null {
    const { sheet } = this;
    const said = sheet.fields(value, path, "`hours`", ["zone", "open", "outside"]);
    const zone = sheet.text(said["zone"], [...path, "zone"], "`zone`", 64);
    const open = compileOpen(sheet, said["open"], [...path, "open"]);
    const at = [...path, "outside"];
    const keys = ["then", "code", "severity", "proceed", "title", "message", "tell_agent"];
    const outside = sheet.fields(said["outside"], at, "`outside`", keys);
    const effect = sheet.oneOf(outside["then"], [...at, "then"], "`then`", ["log", "flag", "deny"] as const);
    if (effect === null || zone === null) return null;
    const reason = this.reason(outside, at, effect, `${this.id}.off_hours`, "medium", []);
    return { zone, open, outside: { ...reason, effect } };
  }

  private entries(line: Line, value: unknown): Entries {
    const { sheet, id } = this;
    const found: Entries = {};
    if (value === undefined) return found;
    if (!Array.isArray(value)) {
      sheet.error([id, line], `\`${line}\` must be a list of entries`);
      return found;
    }
    if (value.length > ENTRIES_MAX) sheet.error([id, line], `at most ${ENTRIES_MAX} entries`);
    const read = value.map((entry: unknown, i) => this.entry(line, entry, [id, line, i], `${id}.${line}.${i + 1}`, found));
    for (const [i, entry] of read.entries()) this.lines.set(entry, sheet.line([id, line, i]) ?? 1);
    this.listOverlaps(line, found, read);
    return found;
  }

  /** Reads one entry and puts it under each type and verb that it names. */
  private entry(line: Line, value: unknown, path: Path, defaultCode: string, into: Entries): Entry {
    const { sheet, vocabulary } = this;
    const verbNames = Object.keys(vocabulary.verbs);
    const said = sheet.fields(value, path, `an entry of \`${line}\``, [...verbNames, ...ENTRY_KEYS[line]]);
    const targets = readTargets(sheet, said, path, "the entry", vocabulary);
    const types = [...new Set(targets.flatMap((target) => target.types))];
    const when = compileWhen({ sheet, types, vocabulary, permits: line === "allow" }, said["when"], [...path, "when"]);
    const sources = compileSources(sheet, said, path, targets, vocabulary);
    const entry: Entry = {
      about: readAbout(sheet, said["about"], [...path, "about"], targets, vocabulary),
      when: [...when, ...sources.when],
      reason: this.reason(said, path, EFFECT[line], defaultCode, SEVERITY[line], types),
      obligations: this.obligations(said["obligations"], [...path, "obligations"], types),
    };
    put(entry, targets, into);
    if (sources.waits !== null) {
      const given = { ...sources.waits.said, proceed: false };
      const reason = this.reason(given, [...path, "delegated"], "flag", `${defaultCode}.delegated`, SEVERITY.flag, types);
      const waiting: Entry = { ...entry, when: [...when, ...sources.waits.when], reason };
      this.lines.set(waiting, sheet.line([...path, "delegated"]) ?? 1);
      this.waits.push({ entry: waiting, targets });
    }
    return entry;
  }

  private reason(
    said: Record<string, unknown>,
    path: Path,
    effect: Effect,
    defaultCode: string,
    defaultSeverity: Severity,
    types: string[],
  ): EntryReason {
    const { sheet } = this;
    const code = said["code"] === undefined ? defaultCode : sheet.text(said["code"], [...path, "code"], "`code`", 128);
    if (code !== null && !CODE.test(code)) sheet.error([...path, "code"], "a code is snake_case, with dots at most");
    if (code !== null && BUILTIN_REASONS.has(code)) {
      sheet.error([...path, "code"], `code \`${code}\` is given by the service itself`, "a code names one thing; choose another");
    }
    const severity =
      said["severity"] === undefined ? defaultSeverity : sheet.oneOf(said["severity"], [...path, "severity"], "severity", SEVERITIES);
    const reason: EntryReason = {
      effect,
      code: code ?? defaultCode,
      severity: severity ?? defaultSeverity,
      params: {},
    };
    if (effect === "flag") {
      const proceed = sheet.boolean(said["proceed"], [...path, "proceed"], "`proceed` of a flag");
      reason.proceed = proceed === true;
    } else if (said["proceed"] !== undefined) {
      sheet.error([...path, "proceed"], "only a flag says whether it proceeds");
    }
    if (said["needs"] !== undefined) {
      reason.needs = this.needs(said["needs"], [...path, "needs"], types);
      if (reason.proceed !== false) sheet.error([...path, "needs"], "only a flag that waits needs something", "write `proceed: false`");
    }
    this.explain(reason, said, path, types);
    return reason;
  }

  /** Values that the action waits for, by the paths that conditions have. */
  private needs(value: unknown, path: Path, types: string[]): string[] {
    const { sheet, vocabulary } = this;
    const names = sheet.words(value, path, "`needs`");
    if (names.length > NEEDS_MAX) sheet.error(path, `at most ${NEEDS_MAX} values are needed`);
    for (const name of names) {
      for (const type of types) {
        const found = resolvePath(name, type, vocabulary);
        if (found instanceof UnknownWord) sheet.unknownWord(path, found.what, found.word, found.known);
      }
    }
    return [...new Set(names)].sort();
  }

  /** Enters the code into the catalogue. Lines may share a code as long as they mean the same by it. */
  private explain(reason: EntryReason, said: Record<string, unknown>, path: Path, types: string[]): void {
    const { sheet } = this;
    const { effect } = reason;
    const text = (key: string, usual: string): string =>
      said[key] === undefined ? usual : (sheet.text(said[key], [...path, key], `\`${key}\``, 512) ?? usual);
    const message = text("message", MESSAGE[effect]);
    this.checkMessage(message, [...path, "message"], types);
    const source = `${sheet.file}:${sheet.line(path) ?? 1}`;
    const known = Object.hasOwn(this.catalogue, reason.code) ? this.catalogue[reason.code] : undefined;
    const entry: CatalogueEntry = {
      effect,
      severity: reason.severity,
      title: text("title", known?.title ?? reason.code.replaceAll(/[_.]/g, " ")),
      message,
      tell_agent: text("tell_agent", TELL_AGENT[effect]),
      purposes: [this.id],
      sources: [source],
    };
    if (known === undefined) {
      this.catalogue[reason.code] = entry;
      return;
    }
    const meaning = ({ purposes: _p, sources: _s, ...rest }: CatalogueEntry): string => JSON.stringify(rest);
    if (meaning(known) !== meaning(entry)) {
      const first = known.sources[0] ?? "another line";
      sheet.error(path, `code \`${reason.code}\` means something else at ${first}`, "a code has one effect and one text");
    }
    known.purposes = [...new Set([...known.purposes, this.id])];
    known.sources = [...known.sources, source];
  }

  private checkMessage(message: string, path: Path, types: string[]): void {
    for (const found of unfilled(message, this.vocabulary, { types, of: "every", params: [] }))
      this.sheet.error(path, found.message, found.hint);
  }

  private obligations(value: unknown, path: Path, types: string[]): Obligation[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      this.sheet.error(path, "`obligations` must be a list", "write [{confirm: {with: customer}}]");
      return [];
    }
    return value.flatMap((one: unknown, i): Obligation[] => this.obligation(one, [...path, i], types));
  }

  private obligation(value: unknown, path: Path, types: string[]): Obligation[] {
    const { sheet } = this;
    const said = sheet.fields(value, path, "an obligation", ["redact", "modify", "confirm", "notify"]);
    const [kind, ...more] = Object.keys(said);
    if (kind === undefined || more.length > 0) {
      sheet.error(path, "an obligation is one of redact, modify, confirm, notify");
      return [];
    }
    const at = [...path, kind];
    switch (kind) {
      case "redact": {
        const { fields } = sheet.fields(said[kind], at, "`redact`", ["fields"]);
        return [{ type: "redact", fields: sheet.words(fields, [...at, "fields"], "`fields`") }];
      }
      case "confirm": {
        const confirm = sheet.fields(said[kind], at, "`confirm`", ["with", "text"]);
        const of = sheet.text(confirm["with"], [...at, "with"], "`with`", 128);
        const text = confirm["text"] === undefined ? undefined : (sheet.text(confirm["text"], [...at, "text"], "`text`") ?? "");
        return of === null ? [] : [{ type: "confirm", with: of, ...(text === undefined ? {} : { text }) }];
      }
      case "notify": {
        const { channel } = sheet.fields(said[kind], at, "`notify`", ["channel"]);
        const text = sheet.text(channel, [...at, "channel"], "`channel`", 128);
        return text === null ? [] : [{ type: "notify", channel: text }];
      }
      default:
        return this.modify(said[kind], at, types);
    }
  }

  private modify(value: unknown, at: Path, types: string[]): Obligation[] {
    const { sheet } = this;
    const said = sheet.fields(value, at, "`modify`", ["argument", "value"]);
    const argument = sheet.text(said["argument"], [...at, "argument"], "`argument`", 64);
    const { value: to } = said;
    if (typeof to !== "string" && typeof to !== "number" && typeof to !== "boolean") {
      sheet.error([...at, "value"], "`value` must be a text, a number, true or false");
      return [];
    }
    if (argument === null) return [];
    for (const type of types) {
      const known = this.vocabulary.types[type]?.arguments ?? {};
      const kind = Object.hasOwn(known, argument) ? known[argument] : undefined;
      if (kind === undefined) {
        sheet.unknownWord([...at, "argument"], `argument of \`${type}\``, argument, Object.keys(known));
      } else if (kind.kind === "list" || kind.kind === "object") {
        sheet.error([...at, "argument"], `\`${argument}\` is of kind ${kind.kind}`, "`modify` sets single values");
      } else fits(sheet, to, [...at, "value"], kind);
    }
    return [{ type: "modify", argument, value: to }];
  }

  /** Two entries of one line that can both apply with different codes: not wrong, and worth a look. */
  private listOverlaps(line: Line, entries: Entries, read: readonly Entry[]): void {
    if (line === "allow") return;
    const found = new Map<Entry, Set<Entry>>();
    for (const [type, verbs] of Object.entries(entries)) {
      for (const list of Object.values(verbs)) {
        list.forEach((entry, i) => {
          const earlier = list.slice(0, i).filter((other) => other.reason.code !== entry.reason.code && !this.disjoint(other, entry, type));
          if (earlier.length > 0) found.set(entry, new Set([...(found.get(entry) ?? []), ...earlier]));
        });
      }
    }
    const lines = read.map((_, i) => this.sheet.line([this.id, line, i]) ?? 1);
    const lineOf = new Map(read.map((entry, i) => [entry, lines[i] ?? 1]));
    for (const [i, entry] of read.entries()) {
      const others = [...(found.get(entry) ?? [])].map((other) => ({ code: other.reason.code, at: lineOf.get(other) ?? 1 }));
      if (others.length === 0) continue;
      const named = others.slice(0, OVERLAPS_NAMED_MAX).map(({ code, at }) => `\`${code}\` (line ${at})`);
      const more = others.length > named.length ? ` and ${others.length - named.length} more` : "";
      const message = `\`${entry.reason.code}\` can apply together with ${named.join(", ")}${more}`;
      this.sheet.remark(
        [this.id, line, i],
        message,
        others.map(({ at }) => at),
      );
    }
  }

  /** Returns true if two entries can be shown never to apply together. */
  private disjoint(a: Entry, b: Entry, type: string): boolean {
    if (a.about !== "any" && b.about !== "any" && a.about !== b.about) return true;
    const isList = ({ name }: Condition): boolean => {
      const place = resolvePath(name, type, this.vocabulary);
      return !(place instanceof UnknownWord) && place.type.kind === "list";
    };
    return a.when.some((one) => b.when.some((other) => samePath(one, other) && exclude(one, other, isList(one))));
  }
}

/** Lists an entry under each type and verb that it names. */
function put(entry: Entry, targets: readonly VerbTarget[], into: Entries): void {
  for (const { verb, types } of targets) for (const type of types) ((into[type] ??= {})[verb] ??= []).push(entry);
}

function samePath(a: Condition, b: Condition): boolean {
  return JSON.stringify(a.path) === JSON.stringify(b.path);
}

/** Returns true if no value meets both. @param isList whether each may be met by another element */
export function exclude(a: Condition, b: Condition, isList: boolean): boolean {
  const set = (condition: Condition): ReadonlySet<Scalar> =>
    new Set(condition.op === "in" || condition.op === "not_in" ? condition.value : []);
  if (a.op === "in" && b.op === "in") return !isList && ![...set(a)].some((value) => set(b).has(value));
  if (a.op === "in" && b.op === "not_in") return [...set(a)].every((value) => set(b).has(value));
  if (a.op === "not_in" && b.op === "in") return exclude(b, a, isList);
  return false;
}
