/** Scenes drawn at random, leaning towards the edges of what the policy at hand compares with. */
import type {
  Condition,
  Entry,
  Fields,
  InputGrant,
  PolicyData,
  Purpose,
  Value,
  ValueType,
  Values,
  Vocabulary,
} from "../../src/contract/index.js";
import { conditionLiterals } from "../../src/contract/index.js";
import type { UnverifiedBundle } from "../../src/bundle/verify.js";
import type { Dice } from "./dice.js";
import { AGENT, SKEW_MAX_MS, TASK, type Scene, type SceneTask } from "./scene.js";

const IDS = ["ada", "bob", "Ada", "t-1", "o-1", "ada\u0301x".normalize("NFC"), "日本", "a b", "%61da", "ada.", "null", "0"];
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
  "x".repeat(300),
];
const INTEGERS = [0, -0, 1, -1, 2, 100, 4999, 5000, 5001, 2 ** 31, -(2 ** 31) - 1, 1e15, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
const NUMBERS = [
  0.1,
  0.3,
  -0.5,
  4999.99,
  1e-7,
  5e-324,
  2.2250738585072014e-308,
  123456.789,
  0.1 + 0.2,
  1e21,
  2 ** 53 + 2,
  Number.MAX_VALUE,
];
/** Of no field's type, or of another's. */
const ODD: Value[] = ["", "1", 0, 1, true, false, [], [null], {}, { a: 1 }, null];

const MINUTE_MS = 60_000;
const WEEK_MS = 10_080 * MINUTE_MS;
const JITTERS = [-3_600_000, -MINUTE_MS, -1, 0, 0, 0, 1, MINUTE_MS - 1, MINUTE_MS, 3_600_000];
/** The edges of a day's hours, of both changes of daylight saving, and of what the zones' data covers. */
const MOMENTS = [
  "2027-01-04T07:00Z",
  "2027-03-28T01:00Z",
  "2027-10-31T01:00Z",
  "2027-06-14T16:00Z",
  "2028-02-29T23:59Z",
  "2050-01-01T00:00Z",
  "1999-12-31T23:59Z",
].map((text) => Date.parse(text));
const DURATIONS = ["0s", "999ms", "60m", "1h", "36h", "30d", "999999999d"];
const CLAIMS = [-SKEW_MAX_MS - 1, -SKEW_MAX_MS, -1, 0, 1, SKEW_MAX_MS, SKEW_MAX_MS + 1];

/** The texts of a set's own rules, whose literals are edges. */
export function rulesOf(bundle: UnverifiedBundle): string[] {
  return [...bundle.files].filter(([file]) => /^rules\/.*\.rego$/.test(file)).map(([, text]) => String(text));
}

/** What a policy compares with, and what lies next to it. */
interface Edges {
  words: string[];
  numbers: number[];
  moments: number[];
}

export class Draw {
  readonly #edges: Edges;
  readonly #named: [type: string, verb: string][];
  readonly #conditions: Condition[];

  /** @param sources what `rulesOf` gives */
  constructor(
    readonly dice: Dice,
    readonly data: PolicyData,
    sources: readonly string[],
  ) {
    const purposes = Object.values(data.purposes);
    this.#conditions = purposes.flatMap(entriesOf).flatMap(({ when }) => when);
    this.#named = purposes.flatMap(({ allow, flag, never }) => [allow, flag, never].flatMap(pairsOf));
    this.#edges = edgesOf(data, this.#conditions, sources);
  }

  scene(): Scene {
    const { dice, data } = this;
    const { vocabulary } = data;
    const purpose = dice.of(Object.keys(data.purposes));
    const [types, verbs] = [Object.keys(vocabulary.types), Object.keys(vocabulary.verbs)];
    const named = dice.chance(90) && this.#named.length > 0;
    const action = named ? dice.of(this.#named) : ([dice.of(types), dice.of(verbs)] as const);
    const now_ms = this.#moment();
    return {
      now_ms,
      request: this.#request(purpose, action, now_ms),
      agent: { owner: "o", version: dice.of(["1", "2"]), attributes: this.#fields(vocabulary.agent.attributes, 5) },
      task: this.#task(purpose),
      grants: this.#grants(),
    };
  }

  /** A value of a vocabulary's type. */
  value(type: ValueType): Value {
    const { dice } = this;
    switch (type.kind) {
      case "date":
      case "time":
        return new Date(dice.of(MOMENTS) + dice.of(JITTERS)).toISOString().slice(0, type.kind === "date" ? 10 : 24);
      case "duration":
        return dice.of(DURATIONS);
      case "id":
        return dice.of(dice.chance(70) ? IDS.slice(0, 4) : IDS);
      case "email":
        return dice.of(EMAILS);
      case "string": {
        const text = dice.of(dice.chance(70) && this.#edges.words.length > 0 ? this.#edges.words : TEXTS);
        // By characters, since facts and requests hold no half of a surrogate pair.
        return text.length <= type.max
          ? text
          : Array.from(text)
              .slice(0, type.max / 2)
              .join("");
      }
      case "integer":
        return Math.trunc(this.#number(INTEGERS));
      case "number":
        return this.#number(NUMBERS);
      case "boolean":
        return dice.chance(50);
      case "enum":
        return dice.of(type.values);
      case "list":
        return dice.many(Math.min(type.max, 4), () => this.value(type.of));
      case "object":
        return this.#fields(type.fields, 0);
    }
  }

  #number(others: readonly number[]): number {
    const { numbers } = this.#edges;
    if (numbers.length > 0 && this.dice.chance(50)) return this.dice.of(numbers);
    return this.dice.of(this.dice.chance(50) ? INTEGERS : others);
  }

  /** Some left out, some null, `odd` percent of another type. */
  #fields(fields: Fields, odd: number): Values {
    const drawn: Values = {};
    for (const [name, type] of Object.entries(fields)) {
      if (!this.dice.chance(85)) continue;
      drawn[name] = this.dice.chance(12) ? null : this.dice.chance(odd) ? this.dice.of(ODD) : this.value(type);
    }
    return drawn;
  }

  #resource(vocabulary: Vocabulary, type: string, collection: boolean): Record<string, unknown> {
    const fields = vocabulary.types[type]?.attributes ?? {};
    const id = collection ? null : this.value({ kind: "id" });
    return { type, id, ...(this.dice.chance(90) ? { attributes: this.#fields(fields, 1) } : {}) };
  }

  #request(purpose: string, [type, verb]: readonly [string, string], now: number): Record<string, unknown> {
    const { dice } = this;
    const { vocabulary } = this.data;
    const spec = vocabulary.types[type];
    const collection = vocabulary.verbs[verb]?.collection === true;
    const related = Object.entries(spec?.related ?? {}).filter(() => dice.chance(80));
    return {
      agent: AGENT,
      purpose,
      ...(dice.chance(95) ? { task: TASK } : {}),
      verb,
      resource: this.#resource(vocabulary, type, collection),
      related: Object.fromEntries(related.map(([role, of]) => [role, this.#resource(vocabulary, of, false)])),
      arguments: this.#fields(spec?.arguments ?? {}, 1),
      ...(dice.chance(10) ? { time: new Date(now + dice.of(CLAIMS)).toISOString() } : {}),
      ...(dice.chance(10) ? { context: { session: dice.of(IDS) } } : {}),
    };
  }

  #task(purpose: string): SceneTask {
    const { vocabulary } = this.data;
    const subjects = vocabulary.task.subjects
      .filter(() => this.dice.chance(85))
      .map((name) => [name, [...new Set(this.dice.many(3, () => this.value({ kind: "id" })))]]);
    return {
      agent: AGENT,
      purpose,
      subjects: Object.fromEntries(subjects) as Record<string, string[]>,
      attributes: this.#fields(vocabulary.task.attributes, 5),
    };
  }

  #moment(): number {
    const { dice } = this;
    if (dice.chance(60)) return dice.of(this.#edges.moments) + dice.of(JITTERS);
    return dice.of(MOMENTS) + dice.below(WEEK_MS);
  }

  #grants(): InputGrant[] {
    const { dice } = this;
    if (dice.chance(60)) return [];
    return dice.many(2, () => ({
      id: dice.of(["g-1", "g-2"]),
      exact: dice.chance(30),
      about: dice.of(["task", "other", "any"] as const),
      when: this.#conditions.length === 0 ? [] : dice.many(2, () => dice.of(this.#conditions)),
    }));
  }
}

function edgesOf(data: PolicyData, conditions: readonly Condition[], sources: readonly string[]): Edges {
  const literals = sources.flatMap((text) => [...text.matchAll(/"([^"\n]{1,40})"/g)].map(([, word]) => word ?? ""));
  const digits = sources.flatMap((text) => [...text.matchAll(/\b\d{1,15}(?:\.\d{1,9})?\b/g)].map(([each]) => Number(each)));
  const values: unknown[] = conditions.flatMap(conditionLiterals).flatMap(({ holder: { value } }) => value);
  const words = [...literals, ...values.filter((value) => typeof value === "string")];
  const numbers = [...digits, ...values.filter((value) => typeof value === "number")];
  return {
    words: [
      ...new Set(
        words.flatMap((word) => [word, word, word.toUpperCase(), `${word}x`, Array.from(word).slice(0, -1).join(""), `${word}\u0000`]),
      ),
    ],
    numbers: [...new Set(numbers.flatMap((number) => [number, number - 1, number + 1, number + 0.01, -number]))],
    moments: [...MOMENTS, ...changesOf(data), ...opensOf(data)],
  };
}

/** Where a zone's offset changes, and where what is known of it begins and ends. */
function changesOf({ zones }: PolicyData): number[] {
  return Object.values(zones).flatMap(({ weeks }) => {
    const all = weeks.flat();
    const changed = all.filter(([, , began], i) => i > 0 && ![0, WEEK_MS].includes(began - (all[i - 1]?.[2] ?? 0)));
    return [...all.slice(0, 1), ...changed].map(([since]) => since).concat(all.slice(-1).map(([, until]) => until));
  });
}

/** Where a purpose's hours begin and end, in ordinary weeks and in those in which the clocks change. */
function opensOf(data: PolicyData): number[] {
  return Object.values(data.purposes).flatMap(({ hours }) => {
    const zone = hours === null ? undefined : data.zones[hours.zone];
    if (hours === null || zone === undefined) return [];
    const near = [...MOMENTS.slice(0, 5), ...changesOf(data).slice(0, 8)];
    return near.flatMap((moment) => {
      const week = zone.weeks.flat().find(([since, until]) => since <= moment && moment < until);
      return week === undefined ? [] : hours.open.flat().map((edge) => week[2] + edge);
    });
  });
}

function pairsOf(entries: Purpose["allow"]): [type: string, verb: string][] {
  return Object.entries(entries).flatMap(([type, verbs]) => Object.keys(verbs).map((verb): [string, string] => [type, verb]));
}

function entriesOf({ allow, flag, never }: Purpose): Entry[] {
  return [allow, flag, never].flatMap((types) => Object.values(types).flatMap((verbs) => Object.values(verbs).flat()));
}
