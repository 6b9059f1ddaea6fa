/**
 * Account of a decision's record, in the terms in which people ask for it: who wanted what, on whose behalf, in which role, what was
 * decided by which policy and why, whether somebody approved, and its outcome. Reads a record as it is, whole or floored.
 */
import type { OutcomeRecord } from "../../contract/index.js";

type Fields = Readonly<Record<string, unknown>>;

export interface Account {
  decision_id: string;
  /** `observed`: it had happened already. */
  kind: "decision" | "observed";
  record: number;
  /** RFC 3339. */
  asked: string;
  decided: string;
  who: {
    /** The person or system that the agent acts for. */
    on_behalf_of: string | null;
    /** The enforcement point that asked, by its token. */
    service: string | null;
    agent: { id: string | null; version: string | null; owner: string | null };
    /** Identity that the agent's own token proved; null if it brought none. */
    proven: { actor: string; on_behalf_of: string | null; through: string[] } | null;
    session: string | null;
    /** The purpose it acted in. */
    role: string | null;
    scope: { task: string | null; root_task: string | null; handed_on: number; about: Fields; grants: string[] };
  };
  action: { verb: string | null; resource: string | null; arguments: Fields; digest: string };
  /** Earlier decisions on the same task begin with this one. */
  previous: string | null;
  decision: string;
  proceed: boolean;
  policy: { bundle: string; revision: string; sequence: number; digest: string };
  facts_revision: number;
  reasons: { effect: string; code: string; severity: string; message: string }[];
  obligations: readonly Fields[];
  /** A person's: waited for until then, or given by a grant of this very action. */
  approval: { needed: boolean; until: string | null; given_by: string[] };
  /** Waited for what was unknown. */
  deferral: { needs: string[]; until: string } | null;
  /** Time and outcome of an observed action, as its caller claims; null for a decision. */
  happened: { at: string; outcome: string | null } | null;
  /** Outcomes as the enforcement point has reported them; empty if it hasn't. */
  outcomes: { outcome: string; time: string; caller: string; took_ms: number | null; detail: string | null }[];
  /** Members of the record whose values are digests. */
  masked: string[];
}

/**
 * @param record of a decision or an observation, with what stood beside it in its place
 * @returns null for a record of another kind
 */
export function accountOf(record: Fields, outcomes: readonly Fields[] = []): Account | null {
  const { kind } = record;
  if (kind !== "decision" && kind !== "observed") return null;
  const answer = fields(record["answer"]);
  const input = fields(record["input"]);
  const facts = fields(input["facts"]);
  const request = fields(input["request"] ?? record["request"]);
  const agent = fields(facts["agent"]);
  const task = fields(facts["task"]);
  const resource = fields(request["resource"]);
  const wait = fields(answer["wait"]);
  const grants = list(facts["grants"]).map(fields);
  return {
    decision_id: text(answer["decision_id"]) ?? "",
    kind,
    record: number(record["seq"]),
    asked: text(record["asked"]) ?? "",
    decided: text(record["time"]) ?? "",
    who: {
      on_behalf_of: text(facts["principal"]) ?? text(fields(fields(record["floor"])["task"])["principal"]),
      service: text(record["caller"]),
      agent: { id: text(request["agent"]), version: text(agent["version"]), owner: text(agent["owner"]) },
      proven: provenBy(record["proof"]),
      session: text(fields(request["context"])["session"]),
      role: text(request["purpose"]),
      scope: {
        task: text(request["task"]),
        root_task: text(task["root"]),
        handed_on: number(task["depth"]),
        about: fields(task["subjects"]),
        grants: [...new Set([...grants.flatMap(({ id }) => text(id) ?? []), ...texts(record["uses"])])],
      },
    },
    action: {
      verb: text(request["verb"]),
      resource:
        resource["type"] === undefined ? null : [resource["type"], resource["id"]].filter((part) => typeof part === "string").join("/"),
      arguments: fields(request["arguments"]),
      digest: text(answer["action_digest"]) ?? "",
    },
    previous: text(record["previous"]),
    decision: text(answer["decision"]) ?? "",
    proceed: answer["proceed"] === true,
    policy: fields(answer["policy"]) as Account["policy"],
    facts_revision: number(answer["facts_revision"]),
    reasons: list(answer["reasons"]).map((reason) => {
      const { effect, code, severity, message } = fields(reason);
      return { effect: text(effect) ?? "", code: text(code) ?? "", severity: text(severity) ?? "", message: text(message) ?? "" };
    }),
    obligations: list(answer["obligations"]).map(fields),
    approval: {
      needed: wait["for"] === "approval",
      until: wait["for"] === "approval" ? text(wait["until"]) : null,
      given_by: grants.filter(({ exact }) => exact === true).flatMap(({ id }) => text(id) ?? []),
    },
    deferral: wait["for"] === "context" ? { needs: texts(wait["needs"]), until: text(wait["until"]) ?? "" } : null,
    happened: kind === "observed" ? { at: text(record["at"]) ?? "", outcome: text(record["outcome"]) } : null,
    outcomes: (outcomes as readonly OutcomeRecord[]).map(({ outcome, time, caller, took_ms, detail }) => ({
      outcome,
      time,
      caller,
      took_ms: took_ms ?? null,
      detail: detail ?? null,
    })),
    masked: texts(record["masked"]),
  };
}

function provenBy(proof: unknown): Account["who"]["proven"] {
  if (proof === undefined) return null;
  const { actor, principal, chain } = fields(proof);
  const subject = (value: unknown): string => text(fields(value)["subject"]) ?? "";
  return { actor: subject(actor), on_behalf_of: text(fields(principal)["subject"]), through: list(chain).map(subject) };
}

/** Returns the account as lines of a name and a value under it. */
export function accountLines(account: Account): [name: string, value: string][] {
  const { who, action, policy, approval, deferral, happened } = account;
  const known = (value: string | null): string => value ?? "not known";
  const scope = [
    `task ${who.scope.task ?? "none"}`,
    ...(who.scope.handed_on > 0 ? [`handed on ${who.scope.handed_on} times from ${known(who.scope.root_task)}`] : []),
    ...Object.entries(who.scope.about).flatMap(([subject, ids]) => (Array.isArray(ids) ? [`${subject} ${ids.join(", ")}`] : [])),
    ...(who.scope.grants.length > 0 ? [`grants ${who.scope.grants.join(", ")}`] : []),
  ];
  const { proven } = who;
  return [
    ["decision", `${account.decision_id}${happened === null ? "" : ", of what had happened already"}`],
    ["record", String(account.record)],
    ["asked, decided", `${account.asked}, ${account.decided}`],
    ["on behalf of", known(who.on_behalf_of)],
    ["service", known(who.service)],
    ["agent", `${known(who.agent.id)}, version ${known(who.agent.version)}, owned by ${known(who.agent.owner)}`],
    [
      "proven by",
      proven === null
        ? "no token of its own"
        : `its token: ${[proven.actor, ...proven.through].join(", through ")}${proven.on_behalf_of === null ? "" : `, for ${proven.on_behalf_of}`}`,
    ],
    ["session", known(who.session)],
    ["role", known(who.role)],
    ["scope", scope.join("; ")],
    ["action", `${known(action.verb)} ${known(action.resource)}`],
    ["arguments", JSON.stringify(action.arguments)],
    ["decided", `${account.decision}, ${account.proceed ? "goes on" : "doesn't go on"}`],
    ...account.reasons.map(({ effect, code, severity, message }): [string, string] => [
      "reason",
      `${effect} ${code} (${severity}): ${message}`,
    ]),
    ...account.obligations.map((obligation): [string, string] => ["obligation", JSON.stringify(obligation)]),
    ["policy", `${policy.bundle} ${policy.revision}, sequence ${policy.sequence}, ${policy.digest}`],
    ["facts", `revision ${account.facts_revision}`],
    [
      "approval",
      approval.needed
        ? `waited for, until ${known(approval.until)}`
        : approval.given_by.length > 0
          ? `by grant ${approval.given_by.join(", ")}`
          : "not needed",
    ],
    ["deferral", deferral === null ? "none" : `until ${deferral.until}, for ${deferral.needs.join(", ")}`],
    ...(happened === null
      ? []
      : ([
          ["happened", `at ${happened.at}, says ${known(who.service)}`],
          ["outcome", happened.outcome ?? "not reported"],
        ] as [string, string][])),
    // Whoever hands a receipt on can leave one out: that there is none can't be proven.
    ...(happened === null && account.outcomes.length === 0 ? [["outcome", "none in this receipt"] as [string, string]] : []),
    ...account.outcomes.map(({ outcome, time, caller, took_ms, detail }): [string, string] => [
      "outcome",
      `${outcome} at ${time}, says ${caller}${took_ms === null ? "" : `, after ${took_ms} ms`}${detail === null ? "" : `: ${detail}`}`,
    ]),
    ...(account.masked.length > 0 ? [["masked", account.masked.join(", ")] as [string, string]] : []),
  ];
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function texts(value: unknown): string[] {
  return list(value).filter((item) => typeof item === "string");
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
