/**
 * Changes that would have let a stopped action pass: one, or two at once, each tried on the policy itself. What is offered was
 * evaluated; what isn't offered may still exist, since only values that the policy names, or that the input holds, are tried.
 */
import {
  BEHAVIOR_CHANNELS,
  WEEKS_BUCKET_MS,
  conditionLiterals,
  conditionPaths,
  durationMs,
  isCanonicalId,
  momentMs,
  type Catalogue,
  type ExplainedChange,
  type Fields,
  type InputGrant,
  type PolicyData,
  type PolicyInput,
  type Scalar,
  type Value,
  type ValueType,
  type Way,
  type Ways,
} from "../contract/index.js";
import { placeWords } from "../bundle/condition_words.js";
import { fits } from "../bundle/matchers.js";
import { Sheet } from "../bundle/source.js";
import { valueAt } from "../decision/conditions.js";
import type { ActivePolicy } from "../decision/ports.js";
import type { Tried } from "./tried_entries.js";

interface Candidate extends ExplainedChange {
  found: Value;
  to: Value;
  apply: (input: PolicyInput) => void;
}

const EVALUATIONS_MAX = 600;
const EVALUATIONS_A_TURN = 16;
const VALUES_MAX = 12;
const WAYS_MAX = 5;
const DAY_MS = 86_400_000;
const GRANT: InputGrant = { id: "would_be", exact: false, about: "any", when: [] };

/** @param pause called between turns of evaluations, for a service that has decisions to make meanwhile */
export async function findWays(
  policy: Pick<ActivePolicy, "evaluate" | "catalogue">,
  data: PolicyData,
  input: PolicyInput,
  tried: readonly Tried[],
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<Ways> {
  const search = new Search(policy, input, pause);
  const now = await search.outcome([]);
  const candidates = candidatesFor(data, policy.catalogue, input, tried, now.codes);
  const ways: Way[] = [];
  const helpful: { candidate: Candidate; left: number }[] = [];
  for (const candidate of candidates) {
    const { decision, stops } = await search.outcome([candidate]);
    if (decision !== null) ways.push({ changes: [shown(candidate)], decision });
    else if (stops < now.stops) helpful.push({ candidate, left: stops });
  }
  const singles = onePerPath(ways);
  if (singles.length < WAYS_MAX) singles.push(...(await pairs(search, helpful, WAYS_MAX - singles.length)));
  const by = (kind: ExplainedChange["kind"]): boolean => ways.some(({ changes: [change] }) => change?.kind === kind);
  return {
    ways: singles.slice(0, WAYS_MAX),
    grant: by("grant") ? "lifts" : by("approval") ? "approval_lifts" : "lifts_nothing",
    tried: search.evaluations,
  };
}

async function pairs(search: Search, helpful: { candidate: Candidate; left: number }[], wanted: number): Promise<Way[]> {
  const found: Way[] = [];
  helpful.sort((a, b) => a.left - b.left);
  for (const [i, { candidate: first }] of helpful.entries()) {
    for (const { candidate: second } of helpful.slice(i + 1)) {
      if (first.path === second.path && first.kind === second.kind) continue;
      if (found.length === wanted || search.isSpent) return found;
      const paths = [first.path, second.path].join(" ");
      if (found.some(({ changes }) => changes.map(({ path }) => path).join(" ") === paths)) continue;
      const { decision } = await search.outcome([first, second]);
      if (decision !== null) found.push({ changes: [shown(first), shown(second)], decision });
    }
  }
  return found;
}

/** Keeps the first of several values for one path: they are tried in the order of their worth. */
function onePerPath(ways: readonly Way[]): Way[] {
  const name = ({ changes: [change] }: Way): string => `${change?.kind ?? ""} ${change?.path ?? ""}`;
  return ways.filter((way, i) => ways.findIndex((other) => name(other) === name(way)) === i);
}

function shown({ kind, path, found, to }: Candidate): Way["changes"][number] {
  return { kind, path, found, to, words: changeWords({ kind, path, found, to }) };
}

/** `customer were ada (it is bob)`. */
function changeWords({ kind, path, found, to }: { kind: ExplainedChange["kind"]; path: string | null; found: Value; to: Value }): string {
  switch (kind) {
    case "grant":
      return "a grant let it";
    case "approval":
      return "somebody approved exactly this";
    case "hour":
      return `it were ${valueWords(to).replaceAll("`", "")}`;
    case "behavior":
      return "it were as usual for the agent";
    case "subject":
      return `${path ?? ""} were ${valueWords(to)} (the task has ${found === null ? "none" : valueWords(found)})`;
    case "value":
      return `${path ?? ""} were ${valueWords(to)} (it is ${found === null ? "unknown" : valueWords(found)})`;
  }
}

function valueWords(value: Value): string {
  if (Array.isArray(value)) return value.length === 0 ? "empty" : value.map(valueWords).join(", ");
  return typeof value === "string" ? `\`${value}\`` : JSON.stringify(value);
}

interface Outcome {
  /** Null while it is stopped. */
  decision: "allow" | "flag" | null;
  /** Reasons that stop it. */
  stops: number;
  codes: ReadonlySet<string>;
}

class Search {
  evaluations = 0;

  constructor(
    private readonly policy: Pick<ActivePolicy, "evaluate">,
    private readonly input: PolicyInput,
    private readonly pause: () => Promise<void>,
  ) {}

  get isSpent(): boolean {
    return this.evaluations >= EVALUATIONS_MAX;
  }

  async outcome(changes: readonly Candidate[]): Promise<Outcome> {
    const stopped: Outcome = { decision: null, stops: Infinity, codes: new Set() };
    if (this.isSpent) return stopped;
    if (++this.evaluations % EVALUATIONS_A_TURN === 0) await this.pause();
    const changed = structuredClone(this.input);
    for (const { apply } of changes) apply(changed);
    const evaluation = this.policy.evaluate(JSON.stringify(changed));
    if (!evaluation.ok) return stopped;
    const { decision, proceed, reasons } = evaluation.result as {
      decision: string;
      proceed: boolean;
      reasons: { effect: string; code: string; proceed?: boolean }[];
    };
    const stops = reasons.filter(({ effect, proceed: goesOn }) => effect === "deny" || (effect === "flag" && goesOn !== true));
    const passes = proceed && (decision === "allow" || decision === "flag");
    return { decision: passes ? decision : null, stops: stops.length, codes: new Set(stops.map(({ code }) => code)) };
  }
}

function candidatesFor(
  data: PolicyData,
  catalogue: Catalogue,
  input: PolicyInput,
  tried: readonly Tried[],
  stopping: ReadonlySet<string>,
): Candidate[] {
  const grants = (kind: "grant" | "approval"): Candidate => ({
    ...{ kind, path: null, found: null, to: null },
    apply: ({ facts }) => facts.grants.push({ ...GRANT, exact: kind === "approval" }),
  });
  const rules = [...stopping].flatMap((code) => (Object.hasOwn(catalogue, code) ? [catalogue[code]] : []));
  const conditions = tried.flatMap(({ entry }) => entry.when);
  const places = [
    ...aboutPlaces(data, input),
    ...conditions.flatMap(conditionPaths).map((path) => path.slice(0, path.includes("*") ? path.indexOf("*") : undefined)),
    ...rules.flatMap((rule) => rule?.reads ?? []),
  ];
  const literals = [
    ...conditions.flatMap(conditionLiterals).flatMap(({ holder: { value } }) => value as Scalar | Scalar[]),
    ...rules.flatMap((rule) => rule?.literals ?? []),
  ];
  const pool = new Pool(input, literals);
  const paths = new Map(
    places.flatMap((path) => expanded(path, data, input)).map(({ path, type }) => [path.join("\u0000"), { path, type }]),
  );
  return [
    grants("grant"),
    grants("approval"),
    ...hours(data, input),
    ...behavior(input),
    ...[...paths.values()].flatMap(({ path, type }) => valueChanges(path, type, input, pool)),
  ];
}

/** Returns the paths by which the resource names its subject, and those of the task. */
function aboutPlaces({ vocabulary }: PolicyData, { request: { resource } }: PolicyInput): string[][] {
  return Object.entries(vocabulary.types[resource.type]?.about ?? {}).flatMap(([subject, link]) => [
    link === "id" ? ["request", "resource", "id"] : ["request", "resource", "attributes", link],
    ["facts", "task", "subjects", subject],
  ]);
}

/** The fields at a path, or all below it, that can be changed: those that the vocabulary gives a type. */
function expanded(path: readonly string[], { vocabulary }: PolicyData, input: PolicyInput): { path: string[]; type: ValueType }[] {
  const { resource, related } = input.request;
  const spec = vocabulary.types[resource.type];
  const roles = Object.entries(related).flatMap(([role, { type }]): [string[], Fields][] => [
    [["request", "related", role, "attributes"], vocabulary.types[type]?.attributes ?? {}],
    [["request", "related", role], { id: { kind: "id" } }],
  ]);
  const groups: [string[], Fields][] = [
    [["request", "resource", "attributes"], spec?.attributes ?? {}],
    [["request", "arguments"], spec?.arguments ?? {}],
    ...roles,
    [["facts", "task", "attributes"], vocabulary.task.attributes],
    [["facts", "agent", "attributes"], vocabulary.agent.attributes],
    [
      ["facts", "task", "subjects"],
      Object.fromEntries(vocabulary.task.subjects.map((name) => [name, { kind: "list", of: { kind: "id" }, max: 8 }])),
    ],
  ];
  const meets = (a: readonly string[], b: readonly string[]): boolean => a.slice(0, b.length).every((step, i) => step === b[i]);
  return groups.flatMap(([base, fields]) =>
    leaves(base, fields).filter(({ path: leaf }) => path.length > 2 && (meets(leaf, path) || meets(path, leaf))),
  );
}

function leaves(base: string[], fields: Fields): { path: string[]; type: ValueType }[] {
  return Object.entries(fields).flatMap(([name, type]) =>
    type.kind === "object" ? leaves([...base, name], type.fields) : [{ path: [...base, name], type }],
  );
}

function valueChanges(path: string[], type: ValueType, input: PolicyInput, pool: Pool): Candidate[] {
  const found = valueAt(input, path);
  const isSubject = path[2] === "subjects";
  return pool
    .valuesFor(type, found)
    .filter((to) => JSON.stringify(to) !== JSON.stringify(found))
    .map((to) => ({
      ...{ kind: isSubject ? "subject" : "value", path: placeWords(path), found, to },
      apply: (copy) => {
        put(copy, path, to);
      },
    }));
}

function put(input: PolicyInput, path: readonly string[], to: Value): void {
  const [last = "", ...rest] = [...path].reverse();
  let at = input as unknown as Record<string, unknown>;
  for (const key of rest.reverse()) at = (at[key] ??= {}) as Record<string, unknown>;
  at[last] = to;
}

/** Values worth a try: what the policy compares with, what the input holds elsewhere, and what lies next to that. */
class Pool {
  readonly #texts: string[];
  readonly #numbers: number[];

  constructor(
    private readonly input: PolicyInput,
    literals: readonly Scalar[],
  ) {
    const held = scalarsIn([input.request.resource, input.request.related, input.request.arguments, input.facts.task, input.facts.agent]);
    const all = [...literals, ...held];
    this.#texts = [...new Set(all.filter((one): one is string => typeof one === "string"))];
    this.#numbers = [...new Set(all.filter((one): one is number => typeof one === "number"))];
  }

  valuesFor(type: ValueType, found: Value): Value[] {
    switch (type.kind) {
      case "boolean":
        return [true, false];
      case "enum":
        return type.values.slice(0, VALUES_MAX * 2);
      case "integer":
      case "number":
        return [...new Set(this.#numbers.flatMap((one) => [one, one + 1, one - 1]).concat(0, 1))]
          .filter((one) => type.kind === "number" || Number.isSafeInteger(one))
          .sort((x, y) => (typeof found === "number" ? Math.abs(x - found) - Math.abs(y - found) : 0))
          .slice(0, VALUES_MAX * 3);
      case "date":
      case "time": {
        const { ms } = this.input.facts.time;
        const moments = [ms, ms + DAY_MS, ms - DAY_MS, ...this.#numbers, ...this.#texts.flatMap((text) => momentMs(text) ?? [])];
        const near = moments.flatMap((one) => [one, one + DAY_MS, one - DAY_MS]).filter((one) => Math.abs(one) < 8e15);
        const texts = near.map((one) => new Date(one).toISOString()).map((text) => (type.kind === "date" ? text.slice(0, 10) : text));
        return [...new Set(texts)].slice(0, VALUES_MAX * 2);
      }
      case "duration": {
        const lengths = [...this.#texts.flatMap((text) => durationMs(text) ?? []), ...this.#numbers].filter((one) => one >= 0);
        return [...new Set(["0s", ...lengths.map((ms) => `${Math.min(Math.trunc(ms / 1000), 999_999_999)}s`)])].slice(0, VALUES_MAX);
      }
      case "list":
        return this.#lists(type.of, found);
      case "object":
        return [];
      default: {
        const local = typeof found === "string" && found.includes("@") ? (found.split("@")[0] ?? "a") : "a";
        const texts = type.kind === "email" ? this.#texts.flatMap((text) => [text, `${local}@${text}`]) : this.#texts;
        return texts.filter((text) => isOf(type, text)).slice(0, VALUES_MAX * 2);
      }
    }
  }

  /** One element, or, of a list of objects, each with the same field changed. */
  #lists(of: ValueType, found: Value): Value[] {
    if (of.kind !== "object") {
      const values = this.valuesFor(of, null);
      const held = Array.isArray(found) ? found : [];
      return [...values.map((one) => [one]), ...(held.length > 0 ? values.map((one) => [...held, one]) : [])].slice(0, VALUES_MAX * 3);
    }
    if (!Array.isArray(found)) return [];
    return Object.entries(of.fields).flatMap(([field, type]) =>
      this.valuesFor(type, null)
        .slice(0, VALUES_MAX)
        .map((to) => found.map((item) => ({ ...(item as Record<string, Value>), [field]: to }))),
    );
  }
}

function isOf(type: ValueType, text: string): boolean {
  if ((type.kind === "id" || type.kind === "email") && !isCanonicalId(text)) return false;
  const sheet = new Sheet("", "{}");
  return fits(sheet, text, [], type);
}

function scalarsIn(value: unknown): Scalar[] {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(scalarsIn) : [];
}

/** The next moment at which the purpose is open, if it isn't now. */
function hours({ purposes, zones }: PolicyData, input: PolicyInput): Candidate[] {
  const { ms } = input.facts.time;
  const open = Object.hasOwn(purposes, input.request.purpose) ? purposes[input.request.purpose]?.hours : null;
  const zone = open === null || open === undefined ? undefined : zones[open.zone];
  if (open === null || open === undefined || zone === undefined) return [];
  const bucket = Math.floor(ms / WEEKS_BUCKET_MS) - zone.first;
  const starts = zone.weeks
    .slice(Math.max(0, bucket), bucket + 3)
    .flat()
    .flatMap(([since, until, began]) => open.open.map(([from]) => began + from).filter((at) => since <= at && at < until && at > ms));
  if (starts.length === 0) return [];
  const at = Math.min(...starts);
  return [
    {
      ...{ kind: "hour", path: "time", found: new Date(ms).toISOString(), to: new Date(at).toISOString() },
      apply: ({ facts }) => {
        facts.time.ms = at;
      },
    },
  ];
}

function behavior({ facts }: PolicyInput): Candidate[] {
  if (facts.behavior.risk === 0 && BEHAVIOR_CHANNELS.every((name) => (facts.behavior.channels[name] ?? 0) === 0)) return [];
  return [
    {
      ...{ kind: "behavior", path: "behavior.risk", found: facts.behavior.risk, to: 0 },
      apply: (copy) => {
        copy.facts.behavior = { risk: 0, confidence: 0, channels: {}, reasons: [] };
      },
    },
  ];
}
