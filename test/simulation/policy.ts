/**
 * The policy of the simulation, as a pure function: a customer of the task's may be read, and what a grant names may be done.
 * It takes its time.
 */
import type { PolicyInput, PolicyReason, PolicyResult, Vocabulary } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";

export const VOCABULARY: Vocabulary = {
  verbs: { read: { class: "read", collection: false }, update: { class: "write", collection: false } },
  task: { subjects: ["customer"], attributes: {} },
  agent: { attributes: {} },
  types: {
    invoice: {
      id: "name",
      about: { customer: "customer" },
      attributes: { customer: { kind: "id" } },
      arguments: {},
      related: {},
    },
  },
};

const PURPOSE: ActivePolicy["purposes"] extends ReadonlyMap<string, infer P> ? P : never = {
  statement: "answer customers",
  owner: "support@example.com",
  task: "required",
  answer_lasts_ms: 5000,
  hours: null,
  allow: {},
  flag: {},
  never: {},
};

export const PURPOSES = ["support", "roaming"] as const;

export function policy(take: () => Promise<void>): ActivePolicy {
  return {
    identity: { bundle: "simulated", revision: "local-1", sequence: 1, digest: `sha256:${"0".repeat(64)}` },
    vocabulary: VOCABULARY,
    purposes: new Map(PURPOSES.map((id) => [id, { ...PURPOSE, task: id === "support" ? "required" : "optional" }])),
    catalogue: {
      read_own: {
        effect: "allow",
        severity: "info",
        title: "its own",
        message: "{type} {id}",
        tell_agent: "",
        purposes: [...PURPOSES],
        sources: [],
      },
    },
    expires_ms: null,
    async evaluate(input) {
      await take();
      return { ok: true, result: judge(JSON.parse(input) as PolicyInput), fuel: 0 };
    },
  };
}

export function judge({ request, facts }: PolicyInput): PolicyResult {
  const own = facts.task.subjects["customer"]?.some((id) => id === request.resource.attributes["customer"]) === true;
  if (own && request.verb === "read") return said("allow", [reason("allow", "read_own")]);
  if (facts.grants.length === 0) return said("deny", [reason("deny", "not_permitted")]);
  return said(
    "allow",
    facts.grants.map(({ id }) => reason("allow", "granted", { grant: id, lifted: ["not_permitted"] })),
  );
}

function reason(effect: "allow" | "deny", code: string, params: Record<string, unknown> = {}): PolicyReason {
  return { effect, code, severity: "info", params };
}

function said(decision: "allow" | "deny", reasons: PolicyReason[]): PolicyResult {
  return { decision, proceed: decision === "allow", reasons, obligations: [] };
}
