/** Starting point of a decision table, and how a case changes it: `{task.topic: delivery}`, `{task: null}`. */
import {
  BEHAVIOR_CHANNELS,
  NOTHING_ODD,
  Problem,
  TaskPlan,
  parseTime,
  planFault,
  type Assessment,
  type Fields,
  type InputGrant,
  type Value,
  type Values,
  type Vocabulary,
} from "../contract/index.js";
import type { Agent, Task } from "../decision/ports.js";
import { fieldsReader } from "../decision/values.js";
import { readGrantEntry } from "../bundle/grant_entry.js";
import type { Path, Sheet } from "../bundle/source.js";
import { schemas } from "../system/schemas.js";
import { NOTHING_SEEN, checkReferences, readGivenFlow, type FlowReference, type GivenFlow } from "./given_flow.js";
import { readResourceName } from "./resource_name.js";

export interface StartingPoint {
  now_ms: number;
  /** Time claimed by the enforcement point; null if it claims none. */
  claims: string | null;
  /** Null: the task's purpose, else the first that the agent is registered for. */
  purpose: string | null;
  agent: Agent;
  /** `agent` null: it is this agent's. */
  task: (Omit<Task, "agent"> & { agent: string | null }) | null;
  /** `type/id` → attributes. A resource that isn't listed has every attribute unknown. */
  resources: Record<string, Values>;
  grants: GivenGrant[];
  /** Oddness of the action for its agent. */
  behavior: Assessment;
  /** Sources of values on the task. */
  flow: GivenFlow;
}

export interface GivenGrant extends InputGrant {
  type: string;
  verb: string;
}

const MEMBERS = ["now", "claims", "purpose", "agent", "task", "resources", "grants", "behavior", "flow"];
const ASSESSED = ["risk", "confidence", "channels", "reasons"];
const AGENT_FACTS = ["id", "purposes", "version", "owner", "status"];
const TASK_FACTS = ["id", "purpose", "subjects", "principal", "verbs", "expires", "ended", "agent", "plan"];
const STATUSES = ["active", "suspended", "revoked"] as const;
const ID_MAX = 256;
const validPlan = schemas().compile<TaskPlan>(TaskPlan);
const PLAN_EXAMPLE = "write [{verb: send, type: mail, arguments: {recipients: [user]}}]";

const NOBODY: Agent = {
  id: "",
  version: "1",
  owner: "unknown",
  purposes: new Set(),
  attributes: {},
  status: "active",
  registered_ms: 0,
  token_required: false,
};
const NO_TASK: NonNullable<StartingPoint["task"]> = {
  id: "",
  agent: null,
  purpose: "",
  parent: null,
  principal: null,
  subjects: {},
  attributes: {},
  verbs: null,
  expires_ms: null,
  ended: false,
};
const NOTHING: StartingPoint = {
  now_ms: 0,
  claims: null,
  purpose: null,
  agent: NOBODY,
  task: null,
  resources: {},
  grants: [],
  behavior: NOTHING_ODD,
  flow: NOTHING_SEEN,
};

/** Purposes of a policy, of which a table names the codes of limits. */
export type LimitedPurposes = Readonly<Record<string, { limits?: readonly { code: string }[] }>>;

/** Reads `given`. Every member is read by the same code where a case changes it. */
export class GivenReader {
  /** References of what is being read. */
  #references: FlowReference[] = [];
  /** True if a plan was refused, whose steps are then unknown. */
  #refusedPlan = false;

  /** @param purposes null: they are unknown, and codes of limits aren't checked */
  constructor(
    private readonly sheet: Sheet,
    private readonly vocabulary: Vocabulary,
    private readonly purposes: LimitedPurposes | null = null,
  ) {}

  /** Returns the names that are referred to since it was last asked. */
  takeReferences(): FlowReference[] {
    return this.#references.splice(0);
  }

  /**
   * Checks references by the plans and purposes of these situations: each name has to be in one of them.
   * @param usual the table's own `given`
   */
  check(references: readonly FlowReference[], usual: StartingPoint, situations: readonly StartingPoint[]): void {
    const steps = situations.flatMap(({ task }) => (task?.plan ?? []).flatMap(({ step }) => step ?? []));
    const all = this.purposes ?? {};
    const ids = new Set(situations.map((given) => purposeOf(usual, given)));
    const purposes = [...ids].map((id = "") => (Object.hasOwn(all, id) ? all[id] : undefined));
    const codes = purposes.flatMap((purpose) => (purpose?.limits ?? []).map(({ code }) => code));
    // What only follows from another error isn't reported.
    checkReferences(this.sheet, references, {
      step: this.#refusedPlan ? null : new Set(steps),
      limit: purposes.includes(undefined) ? null : new Set(codes),
    });
  }

  read(value: unknown, path: Path): StartingPoint {
    const members = this.sheet.map(value, path, "`given`");
    for (const name of ["now", "agent"]) {
      if (!members.some(([member]) => member === name)) this.sheet.error(path, `\`given\` lacks \`${name}\``);
    }
    return members.reduce((given, [name, member]) => this.set(given, [name], member, [...path, name]), NOTHING);
  }

  /** @param value path → what it is in this case */
  change(given: StartingPoint, value: unknown, path: Path): StartingPoint {
    return this.sheet
      .map(value, path, "`given`")
      .reduce((so_far, [text, to]) => this.set(so_far, this.keys(text, so_far), to, [...path, text]), given);
  }

  private keys(text: string, given: StartingPoint): string[] {
    if (!text.startsWith("resources.")) return text.split(".");
    // Ids may hold dots, so a resource that is listed is told by its whole name.
    const rest = text.slice("resources.".length);
    const listed = Object.keys(given.resources).filter((name) => rest === name || rest.startsWith(`${name}.`));
    const name = listed.sort((a, b) => b.length - a.length)[0] ?? rest;
    return ["resources", name, ...(rest === name ? [] : rest.slice(name.length + 1).split("."))];
  }

  private set(given: StartingPoint, [root = "", ...rest]: string[], value: unknown, at: Path): StartingPoint {
    const { sheet } = this;
    switch (root) {
      case "agent":
        return {
          ...given,
          agent: rest.length === 0 ? this.agent(value, at) : this.setAgent(given.agent, rest, value, at),
        };
      case "task":
        if (rest.length === 0) return { ...given, task: value === null ? null : this.task(value, at) };
        if (given.task !== null) return { ...given, task: this.setTask(given.task, rest, value, at) };
        sheet.error(at, "there is no task to change", "give the table a `task`");
        return given;
      case "resources":
        return { ...given, resources: this.setResource(given.resources, rest, value, at) };
      case "flow":
        return { ...given, flow: readGivenFlow(sheet, this.vocabulary, given.flow, rest, value, at, this.#references) };
      case "behavior":
        return { ...given, behavior: this.setBehavior(given.behavior, rest, value, at) };
    }
    if (rest.length > 0 && MEMBERS.includes(root)) {
      sheet.error(at, `\`${root}\` has no parts`);
      return given;
    }
    switch (root) {
      case "now":
        return { ...given, now_ms: this.time(value, at, "`now`") ?? given.now_ms };
      case "claims":
        return { ...given, claims: this.time(value, at, "`claims`") === null ? null : String(value) };
      case "purpose":
        return { ...given, purpose: sheet.text(value, at, "`purpose`", ID_MAX) };
      case "grants":
        return { ...given, grants: this.grants(value, at) };
      default:
        sheet.unknownWord(at, "key in `given`", root, MEMBERS);
        return given;
    }
  }

  private agent(value: unknown, path: Path): Agent {
    const members = this.membersWith(value, path, "`agent`", ["id", "purposes"], "agent.status: revoked");
    return members.reduce((agent, [name, member]) => this.setAgent(agent, [name], member, [...path, name]), NOBODY);
  }

  private setAgent(agent: Agent, names: string[], value: unknown, at: Path): Agent {
    const { sheet } = this;
    const [name = "", ...deeper] = names;
    if (!AGENT_FACTS.includes(name)) {
      const what = "fact or attribute of the agent";
      return {
        ...agent,
        attributes: this.setField(agent.attributes, this.vocabulary.agent.attributes, names, value, at, what, AGENT_FACTS),
      };
    }
    if (deeper.length > 0) {
      sheet.error(at, `\`agent.${name}\` has no parts`);
      return agent;
    }
    switch (name) {
      case "id":
        return { ...agent, id: sheet.text(value, at, "`id`", ID_MAX) ?? "" };
      case "purposes":
        return { ...agent, purposes: new Set(this.names(value, at, "`purposes`")) };
      case "status":
        return { ...agent, status: sheet.oneOf(value, at, "status", STATUSES) ?? "active" };
      default:
        return { ...agent, [name]: sheet.text(value, at, `\`${name}\``, ID_MAX) ?? "" };
    }
  }

  private task(value: unknown, path: Path): NonNullable<StartingPoint["task"]> {
    const members = this.membersWith(value, path, "`task`", ["id", "purpose"], "task.ended: true");
    return members.reduce((task, [name, member]) => this.setTask(task, [name], member, [...path, name]), NO_TASK);
  }

  private setTask(task: NonNullable<StartingPoint["task"]>, names: string[], value: unknown, at: Path): NonNullable<StartingPoint["task"]> {
    const { sheet, vocabulary } = this;
    const [name = "", ...deeper] = names;
    if (!TASK_FACTS.includes(name)) {
      const what = "fact or attribute of the task";
      return { ...task, attributes: this.setField(task.attributes, vocabulary.task.attributes, names, value, at, what, TASK_FACTS) };
    }
    if (name === "subjects") return { ...task, subjects: this.setSubjects(task.subjects, deeper, value, at) };
    if (deeper.length > 0) {
      sheet.error(at, `\`task.${name}\` has no parts`);
      return task;
    }
    switch (name) {
      case "verbs":
        return { ...task, verbs: value === null ? null : new Set(this.verbs(value, at)) };
      case "expires":
        return { ...task, expires_ms: value === null ? null : this.time(value, at, "`expires`") };
      case "plan":
        return this.setPlan(task, value, at);
      case "ended":
        return { ...task, ended: sheet.boolean(value, at, "`ended`") ?? false };
      case "principal":
      case "agent":
        return { ...task, [name]: value === null ? null : sheet.text(value, at, `\`${name}\``, ID_MAX) };
      default:
        return { ...task, [name]: sheet.text(value, at, `\`${name}\``, ID_MAX) ?? "" };
    }
  }

  /** Checked as `POST /tasks` checks it; null: the task has none. */
  private setPlan(task: NonNullable<StartingPoint["task"]>, value: unknown, at: Path): NonNullable<StartingPoint["task"]> {
    const rest = { ...task };
    delete rest.plan;
    if (value === null) return rest;
    if (validPlan(value)) {
      const fault = planFault(value, this.vocabulary);
      if (fault === null) return { ...rest, plan: value };
      this.#refusedPlan = true;
      this.sheet.error([...at, ...fault.at], `expected ${fault.expected}`);
      return rest;
    }
    this.#refusedPlan = true;
    const [error] = validPlan.errors ?? [];
    const path = (error?.instancePath ?? "").split("/").slice(1);
    this.sheet.error([...at, ...path], `\`plan\` ${error?.message ?? "is not a list of calls"}`, PLAN_EXAMPLE);
    return rest;
  }

  /** A subject that is null is one the task hasn't got. */
  private setSubjects(subjects: Task["subjects"], names: string[], value: unknown, at: Path): Task["subjects"] {
    const { sheet, vocabulary } = this;
    const [name, ...deeper] = names;
    if (name === undefined) {
      return sheet
        .map(value, at, "`subjects`")
        .reduce<Task["subjects"]>((so_far, [one, ids]) => this.setSubjects(so_far, [one], ids, [...at, one]), {});
    }
    if (!vocabulary.task.subjects.includes(name)) {
      sheet.unknownWord(at, "subject", name, vocabulary.task.subjects);
      return subjects;
    }
    if (deeper.length > 0) {
      sheet.error(at, `subject \`${name}\` has no parts`);
      return subjects;
    }
    const others = Object.entries(subjects).filter(([other]) => other !== name);
    const ids: [string, string[]][] = value === null ? [] : [[name, this.names(value, at, `ids of \`${name}\``)]];
    return Object.fromEntries([...others, ...ids]);
  }

  private setResource(
    resources: StartingPoint["resources"],
    [name, ...names]: string[],
    value: unknown,
    at: Path,
  ): StartingPoint["resources"] {
    const { sheet, vocabulary } = this;
    if (name === undefined) {
      return sheet
        .map(value, at, "`resources`")
        .reduce<StartingPoint["resources"]>((so_far, [one, values]) => this.setResource(so_far, [one], values, [...at, one]), {});
    }
    if (names.length > 0 || Object.hasOwn(resources, name) || isMap(value)) {
      const resource = readResourceName(sheet, vocabulary, name, at);
      if (resource === null) return resources;
      const what = `attribute of \`${resource.type}\``;
      const { attributes } = resource.spec;
      if (names.length > 0) {
        return { ...resources, [name]: this.setField(resources[name] ?? {}, attributes, names, value, at, what) };
      }
      return { ...resources, [name]: this.fields(attributes, value, at, what) };
    }
    sheet.error(at, `nothing is given at \`${name}\``, "list the resource under the table's `resources`");
    return resources;
  }

  /** One value by its name, checked as the door checks it; nothing where it doesn't fit. */
  field(fields: Fields, name: string, value: unknown, at: Path): Values {
    return this.setField({}, fields, [name], value, at, "field");
  }

  private fields(fields: Fields, value: unknown, at: Path, what: string): Values {
    return this.sheet
      .map(value, at, `${what}s`)
      .reduce<Values>((values, [name, one]) => this.setField(values, fields, [name], one, [...at, name], what), {});
  }

  private setField(
    values: Values,
    fields: Fields,
    [name = "", ...deeper]: string[],
    value: unknown,
    at: Path,
    what: string,
    besides: string[] = [],
  ): Values {
    const { sheet } = this;
    const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (type === undefined) {
      sheet.unknownWord(at, what, name, [...besides, ...Object.keys(fields)]);
      return values;
    }
    if (deeper.length === 0) {
      return checkField(sheet, { [name]: type }, { [name]: value }, at) ? { ...values, [name]: value as Value } : values;
    }
    const inner = values[name];
    if (type.kind !== "object" || !isMap(inner)) {
      sheet.error(at, `nothing is given at \`${name}\``);
      return values;
    }
    return { ...values, [name]: this.setField(inner, type.fields, deeper, value, at, `field of \`${name}\``) };
  }

  /** Sets parts of the assessment; the others stay those of an ordinary action. */
  private setBehavior(assessed: Assessment, [name, ...deeper]: string[], value: unknown, at: Path): Assessment {
    const { sheet } = this;
    if (name === undefined) {
      const members = Object.entries(sheet.fields(value, at, "`behavior`", ASSESSED));
      return members.reduce((so_far, [one, of]) => this.setBehavior(so_far, [one], of, [...at, one]), NOTHING_ODD);
    }
    if (name === "channels") return { ...assessed, channels: this.setChannels(assessed.channels, deeper, value, at) };
    if (deeper.length > 0) {
      sheet.error(at, `\`behavior.${name}\` has no parts`);
      return assessed;
    }
    switch (name) {
      case "risk":
        return { ...assessed, risk: sheet.integer(value, at, "`risk`", 0, 100) ?? 0 };
      case "confidence":
        return { ...assessed, confidence: this.number(value, at, "`confidence`", 1) };
      case "reasons":
        return { ...assessed, reasons: this.names(value, at, "`reasons`") };
      default:
        sheet.unknownWord(at, "key in `behavior`", name, ASSESSED);
        return assessed;
    }
  }

  private setChannels(channels: Assessment["channels"], [name, ...deeper]: string[], value: unknown, at: Path): Assessment["channels"] {
    const { sheet } = this;
    if (name === undefined) {
      const members = sheet.map(value, at, "`channels`");
      return members.reduce<Assessment["channels"]>((so_far, [one, of]) => this.setChannels(so_far, [one], of, [...at, one]), {});
    }
    const channel = sheet.oneOf(name, at, "channel", BEHAVIOR_CHANNELS);
    if (deeper.length > 0) sheet.error(at, `channel \`${name}\` has no parts`);
    return channel === null ? channels : { ...channels, [channel]: this.number(value, at, `channel \`${name}\``, 99) };
  }

  private number(value: unknown, at: Path, what: string, max: number): number {
    if (typeof value === "number" && value >= 0 && value <= max) return value;
    this.sheet.error(at, `${what} must be a number from 0 to ${max}`);
    return 0;
  }

  private grants(value: unknown, path: Path): GivenGrant[] {
    if (Array.isArray(value)) return value.flatMap((grant: unknown, i) => this.grant(grant, [...path, i]));
    this.sheet.error(path, "`grants` must be a list", "write [{id: G-1, read: invoice, about: other}]");
    return [];
  }

  private grant(value: unknown, path: Path): GivenGrant[] {
    const { sheet, vocabulary } = this;
    const said = Object.fromEntries(sheet.map(value, path, "a grant"));
    const id = sheet.text(said["id"], [...path, "id"], "`id` of a grant", ID_MAX) ?? "";
    const exact = sheet.boolean(said["exact"] ?? false, [...path, "exact"], "`exact`") ?? false;
    const { targets, about, when } = readGrantEntry(sheet, value, path, ["id", "exact"], vocabulary);
    return targets.flatMap(({ verb, types: ofVerb }) => ofVerb.map((type) => ({ id, exact, type, verb, about, when })));
  }

  private verbs(value: unknown, at: Path): string[] {
    const known = Object.keys(this.vocabulary.verbs);
    const verbs = this.names(value, at, "`verbs`");
    for (const verb of verbs) if (!known.includes(verb)) this.sheet.unknownWord(at, "verb", verb, known);
    return verbs;
  }

  /** A name or a list of names, which may be empty. */
  private names(value: unknown, at: Path, what: string): string[] {
    return Array.isArray(value) && value.length === 0 ? [] : this.sheet.words(value, at, what);
  }

  private time(value: unknown, at: Path, what: string): number | null {
    const ms = typeof value === "string" ? parseTime(value) : null;
    if (ms === null) {
      this.sheet.error(at, `${what} must be a date-time that exists`, 'write "2027-03-02T10:15:00+01:00", quoted');
    } else if (this.sheet.isPlain(at)) {
      this.sheet.error(at, `${what} must be quoted`, "other readers of YAML take it for a date");
    }
    return ms;
  }

  private membersWith(value: unknown, path: Path, what: string, needed: string[], example: string): [string, unknown][] {
    const members = this.sheet.map(value, path, what);
    const missing = isMap(value) ? needed.filter((name) => !Object.hasOwn(value, name)) : [];
    for (const name of missing) {
      this.sheet.error(path, `${what} lacks \`${name}\``, `to change one thing of it, write its path: \`${example}\``);
    }
    return members;
  }
}

/** Returns the purpose of a case: by default the table's, else the first that the agent is registered for. */
export function purposeOf(usual: StartingPoint, given: StartingPoint): string | undefined {
  const [registered] = given.agent.purposes;
  return given.purpose ?? given.task?.purpose ?? usual.task?.purpose ?? registered;
}

function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns true if a request with this value would be accepted. */
function checkField(sheet: Sheet, fields: Fields, values: Record<string, unknown>, at: Path): boolean {
  try {
    fieldsReader(fields)(values, "");
    return true;
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    const { field = "", expected = "something else" } = cause.detail;
    sheet.error(at, `\`${field.slice(1).replaceAll("/", ".")}\` must be ${expected}`);
    return false;
  }
}
