/**
 * The engine against OPA's own evaluator on requests that a hostile agent could have sent, each read by the real reader
 * first; and both against a model of what purposes mean, on purposes drawn at random.
 */
import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { unordered } from "../src/authoring/set.js";
import { evaluateWithOpa } from "../src/bundle/build.js";
import { findOpa, type Opa } from "../src/bundle/opa.js";
import { readUnverified, type UnverifiedBundle } from "../src/bundle/verify.js";
import {
  Problem,
  type Condition,
  type Entry,
  type Fields,
  type InputGrant,
  type PolicyData,
  type PolicyInput,
  type Purpose,
  type Value,
  type ValueType,
  type Values,
  type Vocabulary,
} from "../src/contract/index.js";
import { decider } from "../src/decision/decide.js";
import type { ActivePolicy, Agent, Task } from "../src/decision/ports.js";
import { PolicyInstance } from "../src/policy/instance.js";
import { systemRandom } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";

/** Given again, the same inputs come: `REMIT_SEED=… npx mocha …`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const INPUTS = Number(process.env["REMIT_INPUTS"] ?? 4000);

/** Draws that one seed repeats (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  many<T>(most: number, draw: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, draw);
  }
}

const IDS = [
  "ada",
  "bob",
  "Ada",
  "t-1",
  "o-1",
  "ada\u0301x".normalize("NFC"),
  "日本",
  "a b",
  "%61da",
  "ada.",
  "null",
  "0",
];
const EMAILS = ["ada@example.com", "ADA@example.com", "ada@example.com.", "bob@example.com"];
const TEXTS = [
  "",
  " ",
  "ada",
  "\u0000",
  "a\u0000b",
  "\u001b[31m",
  "\u2028",
  "\u009b",
  "\u202e",
  "e\u0301",
  "\ud83d\ude00",
  '"\\',
  "\u007f",
  "\ufeff",
  "null",
  "{}",
];
const INTEGERS = [0, -0, 1, -1, 2, 100, 4999, 5000, 5001, 2 ** 31, -(2 ** 31) - 1, 1e15, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]; // prettier-ignore
const NUMBERS = [...INTEGERS, 0.1, 0.3, -0.5, 4999.99, 1e-7, 5e-324, 2.2250738585072014e-308, 123456.789, 0.1 + 0.2];

/** Values of the vocabulary's types; `words` are texts that the policy itself compares with. */
class Draw {
  constructor(
    readonly dice: Dice,
    readonly words: readonly string[],
    readonly moments: readonly number[],
  ) {}

  value(type: ValueType): Value {
    const { dice } = this;
    switch (type.kind) {
      case "id":
        return dice.of(dice.chance(70) ? IDS.slice(0, 4) : IDS);
      case "email":
        return dice.of(EMAILS);
      case "string":
        return dice.of(dice.chance(70) && this.words.length > 0 ? this.words : TEXTS).slice(0, type.max);
      case "integer":
        return dice.of(INTEGERS);
      case "number":
        return dice.of(NUMBERS);
      case "boolean":
        return dice.chance(50);
      case "enum":
        return dice.of(type.values);
      case "list":
        return dice.many(Math.min(type.max, 4), () => this.value(type.of));
      case "object":
        return this.fields(type.fields);
    }
  }

  /** Some left out, some null. */
  fields(fields: Fields): Values {
    const drawn: Values = {};
    for (const [name, type] of Object.entries(fields)) {
      if (this.dice.chance(85)) drawn[name] = this.dice.chance(12) ? null : this.value(type);
    }
    return drawn;
  }

  resource(vocabulary: Vocabulary, type: string, collection: boolean): Record<string, unknown> {
    const fields = vocabulary.types[type]?.attributes ?? {};
    const id = collection ? null : (this.value({ kind: "id" }) as string);
    return { type, id, ...(this.dice.chance(90) ? { attributes: this.fields(fields) } : {}) };
  }

  request(vocabulary: Vocabulary, purpose: string, [type, verb]: readonly [string, string]): Record<string, unknown> {
    const spec = vocabulary.types[type];
    const collection = vocabulary.verbs[verb]?.collection === true;
    const related = Object.entries(spec?.related ?? {}).filter(() => this.dice.chance(80));
    return {
      agent: "agent-1",
      purpose,
      ...(this.dice.chance(95) ? { task: "task-1" } : {}),
      verb,
      resource: this.resource(vocabulary, type, collection),
      related: Object.fromEntries(
        related.map(([role, of]) => [role, this.resource(vocabulary, of, this.dice.chance(10))]),
      ),
      arguments: this.fields(spec?.arguments ?? {}),
    };
  }

  agent(vocabulary: Vocabulary, purposes: string[]): Agent {
    const attributes = this.fields(vocabulary.agent.attributes);
    return { id: "agent-1", version: "1", owner: "o", purposes: new Set(purposes), attributes, status: "active" };
  }

  task(vocabulary: Vocabulary, purpose: string): Task {
    const subjects = vocabulary.task.subjects.filter(() => this.dice.chance(85));
    return {
      id: "task-1",
      agent: "agent-1",
      purpose,
      principal: null,
      subjects: Object.fromEntries(
        subjects.map((name) => [name, [...new Set(this.dice.many(3, () => this.value({ kind: "id" }) as string))]]),
      ),
      attributes: this.fields(vocabulary.task.attributes),
      verbs: null,
      expires_ms: null,
      ended: false,
    };
  }

  moment(): number {
    return (
      this.dice.of(this.moments) + this.dice.of([-60_000, -1, 0, 1, 59_999, 60_000, this.dice.below(7 * 86_400_000)])
    );
  }

  grants(conditions: readonly Condition[]): InputGrant[] {
    if (this.dice.chance(60)) return [];
    return this.dice.many(2, () => ({
      id: this.dice.of(["g-1", "g-2"]),
      exact: this.dice.chance(30),
      about: this.dice.of(["task", "other", "any"] as const),
      when: conditions.length === 0 ? [] : this.dice.many(2, () => this.dice.of(conditions)),
    }));
  }
}

/** The edges of a day's hours, of both changes of daylight saving, and of what the zones' data covers. */
const MOMENTS = ["2027-01-04T07:00Z", "2027-03-28T01:00Z", "2027-10-31T01:00Z", "2027-06-14T16:00Z", "2050-01-01T00:00Z", "1999-12-31T23:59Z"].map((text) => Date.parse(text)); // prettier-ignore

interface Sample {
  input: PolicyInput;
  wasm: unknown;
}

/** Requests that the reader and the floor let through, with what the engine answered. */
async function samples(bundle: UnverifiedBundle, data: PolicyData, draw: Draw, count: number): Promise<Sample[]> {
  const dataText = Buffer.from(JSON.stringify(data));
  const instance = new PolicyInstance({ wasm: bundle.wasm, dataText, metadata: bundle.metadata });
  const found: Sample[] = [];
  const policy: ActivePolicy = {
    identity: bundle.identity,
    vocabulary: data.vocabulary,
    purposes: new Map(Object.entries(data.purposes)),
    catalogue: bundle.catalogue,
    expires_ms: null,
    evaluate: (text) => {
      const evaluation = instance.evaluate(text);
      const input = JSON.parse(text) as PolicyInput;
      found.push({ input, wasm: evaluation.ok ? evaluation.result : evaluation.detail });
      return Promise.resolve(evaluation);
    },
  };
  const purposes = Object.keys(data.purposes);
  let [agent, task] = [draw.agent(data.vocabulary, purposes), draw.task(data.vocabulary, "")];
  let grants: InputGrant[] = [];
  let now = 0;
  const { decideAction } = decider({
    system: { clock: { wall: () => now, monotonic: () => 0 }, random: systemRandom },
    identity: {
      authenticate: () => {
        throw new Error("the caller is already known");
      },
      mayAskFor: () => true,
    },
    engine: { active: policy },
    facts: { revision: 1, stale: false, agent: () => agent, task: () => task, grants: () => grants },
    log: { append: () => Promise.resolve() },
    limits: { depth_max: 32, members_max: 256, batch_actions_max: 1, time_skew_max_ms: 0, approval_wait_ms: 1 },
  });
  const { dice } = draw;
  const named = Object.values(data.purposes).flatMap(({ allow, flag, never }) => [allow, flag, never].flatMap(pairsOf));
  const conditions = Object.values(data.purposes)
    .flatMap(entriesOf)
    .flatMap(({ when }) => when);
  const [types, verbs] = [Object.keys(data.vocabulary.types), Object.keys(data.vocabulary.verbs)];
  const caller = { id: "gateway-1", scopes: new Set<never>() };
  for (let tries = 0; found.length < count; tries++) {
    if (tries > 4 * count) throw new Error(`only ${found.length} of ${tries} requests reach the policy`);
    const purpose = dice.of(purposes);
    agent = draw.agent(data.vocabulary, purposes);
    task = draw.task(data.vocabulary, purpose);
    grants = draw.grants(conditions);
    now = draw.moment();
    const action = dice.chance(90) && named.length > 0 ? dice.of(named) : ([dice.of(types), dice.of(verbs)] as const);
    try {
      await decideAction(draw.request(data.vocabulary, purpose, action), caller, "decision");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  return found;
}

function pairsOf(entries: Purpose["allow"]): [type: string, verb: string][] {
  return Object.entries(entries).flatMap(([type, verbs]) =>
    Object.keys(verbs).map((verb): [string, string] => [type, verb]),
  );
}

function entriesOf({ allow, flag, never }: Purpose): Entry[] {
  return [allow, flag, never].flatMap((types) => Object.values(types).flatMap((verbs) => Object.values(verbs).flat()));
}

function expectSame(found: Sample[], others: unknown[], by: string): void {
  for (const [i, { input, wasm }] of found.entries()) {
    const [ours, theirs] = [unordered(wasm), unordered(others[i])];
    if (ours !== theirs) expect.fail(`${JSON.stringify(input)}\n  engine ${ours}\n  ${by} ${theirs}`);
  }
}

const BUNDLES = readdirSync(asset("bundles")).filter((name) => name.endsWith(".tar.gz"));

describe(`any accepted input (REMIT_SEED=${SEED})`, function () {
  this.timeout(120_000);
  let opa: Opa;
  before(async () => {
    opa = await findOpa();
  });

  for (const name of BUNDLES) {
    it(`is answered by the engine as OPA answers it, in ${name}`, async () => {
      const archive = asset("bundles", name);
      const bundle = await readUnverified(readFileSync(archive));
      const sources = [...bundle.files]
        .filter(([file]) => /^rules\/.*\.rego$/.test(file))
        .map(([, text]) => String(text));
      const words = sources.flatMap((text) => [...text.matchAll(/"([^"\n]{1,40})"/g)].map(([, word]) => word ?? ""));
      const values = Object.values(bundle.data.purposes)
        .flatMap(entriesOf)
        .flatMap(({ when }) => when.flatMap(textsOf));
      const draw = new Draw(new Dice(SEED), [...new Set([...words, ...values])], MOMENTS);
      const found = await samples(bundle, bundle.data, draw, INPUTS);
      const answers = await evaluateWithOpa(opa, archive, found.map(({ input }) => input)); // prettier-ignore
      expectSame(found, answers, "OPA");
      const kinds = new Set(found.map(({ wasm }) => (wasm as { decision?: string }).decision));
      expect([...kinds].sort(), "every kind of decision comes up").to.include.members(["allow", "deny"]);
    });
  }

  it("is answered by the engine, by OPA and by a model of purposes alike, whatever purposes say", async () => {
    const bundle = await readUnverified(readFileSync(asset("bundles", BUNDLES[0] ?? "")));
    const draw = new Draw(new Dice(SEED), ["a", "ab", "b"], MOMENTS);
    const data = randomPolicy(draw, bundle.data.zones);
    const found = await samples(bundle, data, draw, INPUTS);
    const folder = mkdtempSync(join(tmpdir(), "remit-differential-"));
    try {
      for (const [file, content] of bundle.files) {
        if (!/^remit\/.*\.rego$/.test(file)) continue;
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), content);
      }
      writeFileSync(join(folder, "data.json"), JSON.stringify(data));
      const answers = await evaluateWithOpa(opa, folder, found.map(({ input }) => input)); // prettier-ignore
      expectSame(found, answers, "OPA");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    expectSame(found, found.map(({ input }) => modelled(data, input)), "model"); // prettier-ignore
    const outcomes = new Set(found.map(({ wasm }) => `${(wasm as Model).decision} ${String((wasm as Model).proceed)}`));
    expect([...outcomes].sort()).to.deep.equal(["allow true", "deny false", "flag false", "flag true"]);
  });
});

function textsOf(condition: Condition): string[] {
  return Array.isArray(condition.value) ? condition.value.map(String) : [];
}

// Purposes as an author could have written them and the builder would have compiled them.

const VALUE_TYPES: ValueType[] = [
  { kind: "id" },
  { kind: "string", max: 8 },
  { kind: "integer" },
  { kind: "number" },
  { kind: "boolean" },
  { kind: "enum", values: ["a", "b", "c"] },
  { kind: "list", of: { kind: "id" }, max: 4 },
  { kind: "list", of: { kind: "number" }, max: 4 },
  { kind: "list", of: { kind: "enum", values: ["a", "b"] }, max: 4 },
  { kind: "object", fields: { inner: { kind: "string", max: 8 } } },
];
const FIELDS: Fields = Object.fromEntries(VALUE_TYPES.map((type, i) => [`f${i}`, type]));

const VOCABULARY: Vocabulary = {
  verbs: { read: { class: "read", collection: false }, make: { class: "write", collection: true } },
  task: { subjects: ["ticket", "customer"], attributes: FIELDS },
  agent: { attributes: FIELDS },
  types: {
    both: { id: "name", about: { ticket: "id", customer: "f0" }, attributes: FIELDS, arguments: FIELDS, related: { other: "one" } }, // prettier-ignore
    one: { id: "name", about: { customer: "f0" }, attributes: FIELDS, arguments: {}, related: {} },
    none: { id: "name", about: {}, attributes: FIELDS, arguments: FIELDS, related: {} },
  },
};

function randomPolicy(draw: Draw, zones: PolicyData["zones"]): PolicyData {
  const [zone = ""] = Object.keys(zones);
  const hours = (effect: "log" | "flag" | "deny", proceed?: boolean): Purpose["hours"] => ({
    zone,
    open: [
      [480, 1080],
      [1920, 2520],
    ],
    outside: { code: "off_hours", severity: "low", effect, ...(proceed === undefined ? {} : { proceed }) },
  });
  const purpose = (open: Purpose["hours"]): Purpose => ({
    statement: "",
    owner: "",
    task: "optional",
    answer_lasts_ms: 0,
    hours: open,
    allow: randomEntries(draw, "allow", 3),
    flag: randomEntries(draw, "flag", 1),
    never: randomEntries(draw, "never", 1),
  });
  const purposes = {
    always: purpose(null),
    logged: purpose(hours("log")),
    waiting: purpose(hours("flag", false)),
    flagged: purpose(hours("flag", true)),
    closed: purpose(hours("deny")),
  };
  return { vocabulary: VOCABULARY, purposes, zones };
}

function randomEntries(draw: Draw, effect: string, most: number): Purpose["allow"] {
  const { dice } = draw;
  const entry = (type: string): Entry => ({
    about: dice.of(["task", "other", "any"] as const),
    when: dice.many(2, () => randomCondition(draw, type)),
    reason: {
      code: `${effect}_${dice.below(3)}`,
      severity: "medium",
      ...(effect === "flag" ? { proceed: dice.chance(60) } : {}),
    },
    obligations: dice.chance(20) ? [{ type: "notify", channel: dice.of(["x", "y"]) }] : [],
  });
  return Object.fromEntries(
    Object.keys(VOCABULARY.types).map((type) => [
      type,
      Object.fromEntries(Object.keys(VOCABULARY.verbs).map((verb) => [verb, dice.many(most, () => entry(type))])),
    ]),
  );
}

function randomCondition(draw: Draw, type: string): Condition {
  const { dice } = draw;
  const bases = [
    ["request", "resource", "attributes"],
    ["facts", "task", "attributes"],
    ["facts", "agent", "attributes"],
    ...(type === "one" ? [] : [["request", "arguments"]]),
    ...(type === "both" ? [["request", "related", "other", "attributes"]] : []),
  ];
  const place = (index: number): { path: string[]; of: ValueType } => {
    const field = VALUE_TYPES[index] ?? { kind: "id" };
    const path = [...dice.of(bases), `f${index}`];
    if (field.kind === "object") return { path: [...path, "inner"], of: { kind: "string", max: 8 } };
    return { path, of: field.kind === "list" ? field.of : field };
  };
  const index = dice.below(VALUE_TYPES.length);
  const { path, of } = place(index);
  const name = path.slice(1).join(".");
  const scalar = (): string | number | boolean => draw.value(of) as string | number | boolean;
  const numeric = of.kind === "integer" || of.kind === "number";
  switch (dice.below(4)) {
    case 0: {
      const subjects = ["facts", "task", "subjects", "customer"];
      const value = of.kind === "id" && dice.chance(50) ? subjects : dice.chance(50) ? place(index).path : path;
      return { name, path, op: "same_as", value };
    }
    case 1:
      if (numeric) return { name, path, op: dice.of(["at_most", "at_least"] as const), value: scalar() as number };
      if (of.kind !== "boolean") return { name, path, op: "prefix", value: [dice.of(["a", "ad", "b", "日"])] };
      return { name, path, op: "in", value: [scalar()] };
    case 2:
      return { name, path, op: "not_in", value: [scalar(), scalar()] };
    default:
      return { name, path, op: "in", value: [scalar(), scalar()] };
  }
}

// The model: three values, as `docs/policies.md` says it, without a thought for speed.

type Truth = boolean | null;
type ModelReason = Record<string, unknown> & { effect: string; code: string; proceed?: boolean };
interface Model {
  decision: string;
  proceed: boolean;
  reasons: ModelReason[];
  obligations: unknown[];
}

const both = (truths: Truth[]): Truth => (truths.includes(false) ? false : truths.includes(null) ? null : true);
const some = (truths: boolean[]): boolean => truths.includes(true);

function lookUp(input: PolicyInput, path: string[]): Value {
  return path.reduce<unknown>((at, key) => (at as Values | null)?.[key] ?? null, input) as Value;
}

function holds(condition: Condition, input: PolicyInput): Truth {
  const found = lookUp(input, condition.path);
  if (found === null) return null;
  const values = Array.isArray(found) ? found : [found];
  switch (condition.op) {
    case "in":
      return some(values.map((value) => (condition.value as Value[]).includes(value)));
    case "not_in":
      return !some(values.map((value) => (condition.value as Value[]).includes(value)));
    case "at_most":
      return some(values.map((value) => (value as number) <= condition.value));
    case "at_least":
      return some(values.map((value) => (value as number) >= condition.value));
    case "prefix":
      return some(
        values.map((value) => condition.value.some((prefix) => (value as string).startsWith(String(prefix)))),
      );
    case "same_as": {
      const other = lookUp(input, condition.value);
      if (other === null) return null;
      const others = Array.isArray(other) ? other : [other];
      return some(values.map((value) => others.includes(value)));
    }
  }
}

function links(input: PolicyInput): [name: string, mine: Truth][] {
  const { resource } = input.request;
  return Object.entries(VOCABULARY.types[resource.type]?.about ?? {}).flatMap(([subject, link]): [string, Truth][] => {
    const ids = input.facts.task.subjects[subject] ?? null;
    const value = link === "id" ? resource.id : (resource.attributes[link] ?? null);
    return ids === null ? [] : [[link, value === null ? null : ids.includes(value as string)]];
  });
}

function applies(entry: Pick<Entry, "about" | "when">, input: PolicyInput): Truth {
  const shared = links(input).map(([, mine]) => mine);
  const mine = shared.length === 0 ? null : both(shared);
  const about = entry.about === "any" ? true : entry.about === "task" ? mine : mine === null ? null : !mine;
  return both([about, ...entry.when.map((condition) => holds(condition, input))]);
}

function unknownsOf(entry: Entry, input: PolicyInput): string[] {
  const shared = links(input);
  const unplaced = shared.length === 0 ? ["task"] : shared.flatMap(([name, mine]) => (mine === null ? [name] : []));
  const conditions = entry.when.filter((condition) => holds(condition, input) === null).map(({ name }) => name);
  return [...new Set([...conditions, ...(entry.about === "any" ? [] : unplaced)])].sort();
}

function flagOf(entry: Entry, input: PolicyInput): ModelReason {
  const reason = { ...entry.reason, effect: "flag", params: {} };
  if (applies(entry, input) === true || entry.reason.proceed !== true) return reason;
  return { ...reason, proceed: false, needs: unknownsOf(entry, input) };
}

function isOpen({ open, zone }: NonNullable<Purpose["hours"]>, data: PolicyData, ms: number): boolean {
  const { from_ms = 0, bucket_ms = 1, buckets = [] } = data.zones[zone] ?? {};
  const offset = buckets[Math.floor((ms - from_ms) / bucket_ms)]?.findLast(([since]) => since <= ms)?.[1];
  if (offset === undefined) return false;
  const minute = (Math.floor(ms / 60_000) + offset + 3 * 1440) % 10_080;
  return open.some(([from, to]) => minute >= from && minute < to);
}

function modelled(data: PolicyData, input: PolicyInput): Model {
  const { purpose: id, resource, verb } = input.request;
  const purpose = data.purposes[id];
  if (purpose === undefined) throw new Error("the floor lets no unknown purpose pass");
  const these = (entries: Purpose["allow"]): Entry[] => entries[resource.type]?.[verb] ?? [];
  const said = (effect: string, { reason: { code, severity } }: Entry): ModelReason => ({ effect, code, severity, params: {} }); // prettier-ignore
  const allowed = these(purpose.allow).filter((entry) => applies(entry, input) === true);
  const flagged = these(purpose.flag).filter((entry) => applies(entry, input) !== false);
  const forbidden = these(purpose.never).filter((entry) => applies(entry, input) !== false);
  const granted = input.facts.grants.filter((grant) => applies(grant, input) === true);
  const hours = purpose.hours;
  const outside: ModelReason[] = hours === null || isOpen(hours, data, input.facts.time.ms) ? [] : [{ ...hours.outside, params: {} }]; // prettier-ignore
  const flags = flagged.map((entry) => flagOf(entry, input));
  const offHours = outside.filter(({ effect }) => effect === "flag");
  const exact = granted.some((grant) => grant.exact);
  const denies = [
    ...forbidden.map((entry) => said("deny", entry)),
    ...outside.filter(({ effect }) => effect === "deny"),
  ];
  const absent: ModelReason[] =
    allowed.length === 0 && flagged.length === 0
      ? [{ effect: "deny", code: "not_permitted", severity: "medium", params: {} }]
      : [];
  const lifted = granted.length === 0 ? [] : [...absent, ...flags, ...(exact ? offHours : [])];
  const reasons = distinct<ModelReason>([
    ...allowed.map((entry) => said("allow", entry)),
    ...outside.filter(({ effect }) => effect === "log"),
    ...denies,
    ...(granted.length > 0 ? [] : flags),
    ...(exact ? [] : offHours),
    ...granted.map((grant) => ({
      effect: "allow",
      code: "granted",
      severity: "info",
      params: { grant: grant.id, lifted: [...new Set(lifted.map(({ code }) => code))].sort() },
    })),
    ...(granted.length === 0 && denies.length === 0 ? absent : []),
  ]);
  const effects = reasons.map(({ effect }) => effect);
  return {
    decision: ["deny", "flag", "allow"].find((effect) => effects.includes(effect)) ?? "",
    proceed: reasons.every(({ effect, proceed }) => effect === "allow" || effect === "log" || proceed === true),
    reasons,
    obligations: distinct([...allowed, ...flagged].flatMap(({ obligations }) => obligations)),
  };
}

function distinct<T>(list: T[]): T[] {
  return [...new Map(list.map((one) => [unordered(one), one])).values()];
}
